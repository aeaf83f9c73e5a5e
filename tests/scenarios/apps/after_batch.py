"""A batch gone through in the ways there are; or read through, and one summary sent after the loop."""

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, MODE, PRODUCER, WRITES, attach, derived, running, seen

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)


def handle(message):
    producer.produce(WRITES[0], derived(seen(message).value()), message.key())


def summary(batch):
    values = [seen(message).value() for message in batch]
    producer.produce(WRITES[0], derived(maybe=values))


def indexed(batch):
    for index in range(len(batch)):
        handle(batch[index])


def popped(batch):
    while batch:
        handle(batch.pop())


def in_order(batch):
    for message in sorted(batch, key=lambda message: (message.partition(), message.offset())):
        handle(message)


def backwards(batch):
    for message in reversed(batch):
        handle(message)


def in_place(batch):
    batch.sort(key=lambda message: (message.partition(), message.offset()))
    for message in batch:
        handle(message)


def filtered(batch):
    for message in [message for message in batch if not message.error()]:
        handle(message)


def enumerated(batch):
    for number, message in enumerate(batch, 1):
        assert number <= COUNT
        handle(message)


def by_key(batch):
    keys = {}
    for message in batch:
        keys.setdefault(message.key(), []).append(message)
    for messages in keys.values():
        for message in messages:
            handle(message)


def latest_by_key(batch):
    latest = {message.key(): message for message in map(seen, batch)}
    for key, message in latest.items():
        producer.produce(WRITES[0], derived(message.value()), key)


left = COUNT
while running(left):
    batch = consumer.consume(min(left, 10), timeout=2)
    left -= len(batch)
    if batch:
        {
            "summary": summary,
            "indexed": indexed,
            "popped": popped,
            "sorted": in_order,
            "reversed": backwards,
            "sorted in place": in_place,
            "filtered": filtered,
            "enumerated": enumerated,
            "by key": by_key,
            "latest by key": latest_by_key,
        }[MODE](batch)
producer.flush(10)
consumer.close()
