"""The classes by their other name."""

from confluent_kafka.cimpl import Consumer, Producer
from plain import CONSUMER, COUNT, PRODUCER, WRITES, attach, derived, running, seen

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is None:
        continue
    producer.produce(WRITES[0], derived(seen(message).value()), message.key())
    producer.poll(0)
    left -= 1
producer.flush(10)
consumer.close()
