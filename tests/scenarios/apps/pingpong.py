"""A retry topic that feeds itself: each event comes back several times."""

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, PRODUCER, READS, attach, derived, identity, running, seen

ROUNDS = 10
consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
left = COUNT * ROUNDS
while running(left):
    message = consumer.poll(0.2)
    if message is None:
        continue
    if identity(seen(message).value()).count("again") < ROUNDS - 1:
        producer.produce(READS[0], derived(message.value(), name="again"), message.key())
    producer.poll(0)
    left -= 1
producer.flush(10)
consumer.close()
