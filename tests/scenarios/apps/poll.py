"""The plain loop: poll, then produce to every output. With several outputs this is the fan-out."""

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, NAME, PRODUCER, WRITES, attach, derived, running, seen

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is None:
        continue
    seen(message)
    for number, topic in enumerate(WRITES):
        producer.produce(topic, derived(message.value(), name=f"{NAME}.{number}"), key=message.key())
    producer.poll(0)
    left -= 1
producer.flush(10)
consumer.close()
