"""As many messages as fast as possible: out, or in."""

import json
import re
import time
from pathlib import Path

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, MODE, PRODUCER, WRITES, attach, running

VALUE = b"x" * 200


def produce():
    producer = Producer(PRODUCER)
    for number in range(COUNT):
        while True:
            try:
                producer.produce(WRITES[0], VALUE, b"%d" % (number % 100))
                break
            except BufferError:
                producer.poll(0.01)
        producer.poll(0)
    assert producer.flush(60) == 0


def poll():
    consumer, left = attach(Consumer(CONSUMER)), COUNT
    while running(left):
        if consumer.poll(1) is not None:
            left -= 1
    consumer.close()


def consume():
    consumer, left = attach(Consumer(CONSUMER)), COUNT
    while running(left):
        for _ in consumer.consume(500, 1):
            left -= 1
    consumer.close()


began = time.monotonic()
{"produce": produce, "poll": poll, "consume": consume}[MODE]()
# Not getrusage: that peak includes the process that started this one.
peak = int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps({"seconds": time.monotonic() - began, "peak_mb": peak, "ended": time.time()}), flush=True)
