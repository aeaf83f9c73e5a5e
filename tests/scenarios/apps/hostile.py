"""Events whose headers nobody should ever send."""

from confluent_kafka import Producer
from plain import COUNT, PRODUCER, WRITES, event

HOSTILE = [
    [("binary", bytes(range(256)))],
    [("doubled", b"1"), ("doubled", b"2"), ("doubled", b"1")],
    [("long", b"x" * 10_000)],
    [("none", None), ("empty", b"")],
    [("traceparent", b"\xff\xfe")],
    [("traceparent", None)],
    [("traceparent", b"00-00000000000000000000000000000000-0000000000000000-01")],
    [("traceparent", b"not a traceparent"), ("traceparent", b"00-short")],
    [("tracestate", b"\xff=\xff,,,=")],
    [("baggage", b"\xff\x00;;;=,")],
    [("lineage-context", b"mine")],
    [("lineage-context", b"\xffmine\x00")],
    [("Traceparent", b"cased"), ("TRACEPARENT", b"\x00")],
    [("n\u00e4me \U0001f4a9", b"\x80")],
    [("", b"nameless")],
    [(f"many-{number}", b"%d" % number) for number in range(100)],
]

producer = Producer(PRODUCER)
for number in range(COUNT):
    headers = HOSTILE[number % len(HOSTILE)]
    producer.produce(WRITES[0], event(number), f"customer-{number % 5}", headers=headers)
producer.flush(10)
