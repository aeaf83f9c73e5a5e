"""Where events enter: a few customers place orders."""

from confluent_kafka import Producer
from plain import COUNT, MODE, PRODUCER, WRITES, event

HEADERS = [("tenant", b"acme"), ("tenant-region", b"eu"), ("secret", b"s3cr3t")] if MODE == "with headers" else None

customers = {"many customers": COUNT, "three customers": 3}.get(MODE, 5)
producer = Producer(PRODUCER)
for number in range(COUNT):
    for topic in WRITES:
        producer.produce(topic, event(number), key=f"customer-{number % customers}", headers=HEADERS)
    producer.poll(0)
producer.flush(10)
