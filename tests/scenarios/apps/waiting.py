"""Handles what there is, then sits in a long poll until somebody ends it."""

import signal
import sys

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, MODE, PRODUCER, WRITES, attach, derived, running, seen

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
stopped = []


def stop(number, frame):
    stopped.append(number)
    print('"stopped by its own handler"', flush=True)
    if MODE == "handler that exits":
        sys.exit(7)


if MODE:
    signal.signal(signal.SIGTERM, stop)

left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is not None:
        producer.produce(WRITES[0], derived(seen(message).value()), message.key())
        left -= 1
producer.flush(10)
print('"ready"', flush=True)
while not stopped:
    consumer.poll(0.2 if MODE == "handler that notes" else 30)
consumer.close()
sys.exit(7)
