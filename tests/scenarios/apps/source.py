"""Where events enter: a few customers place orders."""

from confluent_kafka import Producer
from plain import COUNT, MODE, PRODUCER, WRITES, event

customers = COUNT if MODE == "many customers" else 5
producer = Producer(PRODUCER)
for number in range(COUNT):
    for topic in WRITES:
        producer.produce(topic, event(number), key=f"customer-{number % customers}")
    producer.poll(0)
producer.flush(10)
