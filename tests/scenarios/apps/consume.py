"""Batches: consume up to 50, handle one after the other."""

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, PRODUCER, WRITES, attach, derived, running, seen

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
left = COUNT
while running(left):
    for message in consumer.consume(50, timeout=0.1):
        value = derived(seen(message).value())
        producer.produce(WRITES[0], value, message.key())
        left -= 1
    producer.poll(0)
producer.flush(10)
consumer.close()
