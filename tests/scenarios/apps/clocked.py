"""Events of three customers, with times that say which of them belong together: one a second, with a pause now and then."""

from time import time

from confluent_kafka import Producer
from plain import COUNT, MODE, PRODUCER, WRITES, event

# Today's midnight: the same for whoever starts at about the same time, and nothing that Kafka would delete as too old.
BEGIN = int(time()) // 86_400 * 86_400_000
EVERY, SHIFT = 3, 400 if MODE == "later" else 0
FIRST = int(MODE.split()[1]) if MODE.startswith("from") else 0

producer = Producer(PRODUCER)
for number in range(FIRST, FIRST + COUNT):
    second = number // EVERY
    at = BEGIN + 1000 * second + (20_000 * (second // 6)) + SHIFT
    for topic in WRITES:
        producer.produce(topic, event(number), key=f"customer-{number % EVERY}", timestamp=at)
    producer.poll(0)
producer.flush(10)
