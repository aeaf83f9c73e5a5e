"""A heartbeat among the messages: when nothing came, or in the middle of a handler that says so."""

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, MODE, PRODUCER, WRITES, attach, derived, event, running, seen

import lineage

out, beats = WRITES
consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is None:
        continue
    seen(message)
    if MODE == "in handler":
        with lineage.handling():
            producer.produce(beats, event(left))
    producer.produce(out, derived(message.value()), message.key())
    left -= 1
if MODE == "idle":
    while consumer.poll(0.2) is not None:
        pass
    producer.produce(beats, event(0))
producer.flush(10)
consumer.close()
