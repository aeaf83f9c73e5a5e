"""Handles what there is, then sits in a long poll until somebody ends it."""

import signal
import sys

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, MODE, PRODUCER, WRITES, attach, derived, running, seen

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
stopped = []
if MODE == "own handler":
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))

left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is not None:
        producer.produce(WRITES[0], derived(seen(message).value()), message.key())
        left -= 1
producer.flush(10)
print('"ready"', flush=True)
while not stopped:
    consumer.poll(0.2 if MODE == "own handler" else 30)
print('"stopped by its own handler"', flush=True)
consumer.close()
sys.exit(7)
