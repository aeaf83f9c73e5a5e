"""A dict of totals, flushed when nothing more comes: with or without saying what it was made from."""

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, MODE, PRODUCER, WRITES, attach, derived, running, seen

import lineage

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
totals = {}
left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is not None:
        totals.setdefault(seen(message).key(), []).append(message)
        left -= 1
while consumer.poll(0.2) is not None:
    pass
for key, messages in totals.items():
    if MODE == "told":
        with lineage.handling(*messages):
            producer.produce(WRITES[0], derived(*(message.value() for message in messages)), key)
    else:
        producer.produce(WRITES[0], derived(name=f"total-{key.decode()}"), key)
producer.flush(10)
consumer.close()
