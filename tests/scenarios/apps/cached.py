"""The message before is remembered, and its value or its headers are sent while the next one is handled."""

import json

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, MODE, PRODUCER, WRITES, attach, identity, running, seen, told

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
older = None
left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is None:
        continue
    seen(message)
    left -= 1
    if older is not None:
        now, then = identity(message.value()), identity(older.value())
        causes = [now, then] if MODE == "value" else [then]
        truth = told(json.dumps({"id": f"{MODE}({now},{then})", "from": causes}).encode())
        if MODE == "value":
            producer.produce(WRITES[0], older.value(), message.key(), headers=[truth])
        else:
            producer.produce(WRITES[0], b"new", message.key(), headers=[*(older.headers() or ()), truth])
    older = message
producer.flush(10)
consumer.close()
