"""A batch is read through, and one summary sent after the loop: of which messages, only the user knows."""

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, MODE, PRODUCER, WRITES, attach, derived, running, seen

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
left = COUNT
while running(left):
    batch = consumer.consume(min(left, 10), timeout=2)
    if MODE == "loop":
        values = [seen(message).value() for message in batch]
        producer.produce(WRITES[0], derived(maybe=values))
    elif batch:
        first, *rest = sorted(batch, key=lambda message: (message.partition(), message.offset()))
        for message in (first, *rest):
            producer.produce(WRITES[0], derived(seen(message).value()), message.key())
    left -= len(batch)
producer.flush(10)
consumer.close()
