"""What a web server does: each request is a span, and sends a record."""

from confluent_kafka import Producer
from opentelemetry import trace
from plain import COUNT, PRODUCER, WRITES, event

tracer = trace.get_tracer("the user's")
producer = Producer(PRODUCER)
for number in range(COUNT):
    with tracer.start_as_current_span("POST /orders", kind=trace.SpanKind.SERVER):
        producer.produce(WRITES[0], event(number), key=f"customer-{number % 5}")
producer.flush(10)
