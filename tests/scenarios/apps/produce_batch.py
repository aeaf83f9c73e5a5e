"""Each message becomes two records, produced in one call."""

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, PRODUCER, WRITES, attach, derived, running, seen

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is None:
        continue
    seen(message)
    halves = [{"value": derived(message.value(), name=name), "key": message.key()} for name in ("left", "right")]
    assert producer.produce_batch(WRITES[0], halves) == 2
    producer.poll(0)
    left -= 1
producer.flush(10)
consumer.close()
