"""A receipt is sent from the delivery callback of each record, which runs while another message is handled."""

from functools import partial

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, PRODUCER, WRITES, attach, derived, running, seen

out, receipts = WRITES
consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)


def delivered(value, error, message):
    producer.produce(receipts, derived(value, name="receipt"), message.key())


left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is None:
        continue
    seen(message)
    producer.poll(0.05)
    value = derived(message.value())
    producer.produce(out, value, message.key(), callback=partial(delivered, value))
    left -= 1
producer.flush(10)
consumer.close()
