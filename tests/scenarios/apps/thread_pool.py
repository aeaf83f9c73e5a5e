"""Polled here, handled in a pool."""

from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, PRODUCER, WRITES, attach, derived, running, seen

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)


def handle(message):
    producer.produce(WRITES[0], derived(message.value()), message.key())


left = COUNT
with ThreadPoolExecutor(4) as pool:
    while running(left):
        message = consumer.poll(0.2)
        if message is not None:
            pool.submit(handle, seen(message))
            left -= 1
producer.flush(10)
consumer.close()
