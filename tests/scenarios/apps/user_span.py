"""A span of the user's own inside the handler; headers are forwarded from within it."""

from confluent_kafka import Consumer, Producer
from opentelemetry import trace
from plain import CONSUMER, COUNT, PRODUCER, WRITES, attach, derived, running, seen

tracer = trace.get_tracer("the user's")
consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is None:
        continue
    seen(message)
    with tracer.start_as_current_span("work"):
        producer.produce(WRITES[0], derived(message.value()), message.key(), headers=message.headers())
    producer.poll(0)
    left -= 1
producer.flush(10)
consumer.close()
