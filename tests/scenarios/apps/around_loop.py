"""A span of the user's own around the whole loop."""

from confluent_kafka import Consumer, Producer
from opentelemetry import trace
from plain import CONSUMER, COUNT, PRODUCER, WRITES, attach, derived, running, seen

tracer = trace.get_tracer("the user's")
consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
left = COUNT
with tracer.start_as_current_span("job"):
    while running(left):
        message = consumer.poll(0.2)
        if message is not None:
            producer.produce(WRITES[0], derived(seen(message).value()), message.key())
            left -= 1
    producer.flush(10)
consumer.close()
