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
        }[MODE](batch)
producer.flush(10)
consumer.close()
