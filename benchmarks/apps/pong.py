"""Receives what ping.py sends. Usage: pong.py BOOTSTRAP TOPIC COUNT SKIP. Prints `ready`, then p50 and p99 in ms.

The clock is the system's monotonic one, the same for both processes. The first SKIP messages only warm up.
"""

import sys
import time

from confluent_kafka import Consumer, TopicPartition


def main(bootstrap, topic, count, skip):
    """Take messages one by one and note how old each is."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench", "enable.auto.commit": False})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), 10)
    consumer.assign([TopicPartition(topic, 0, end)])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    ages = []
    while len(ages) < count:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            ages.append(time.monotonic_ns() - int.from_bytes(message.value()[:8], "big"))
    consumer.close()
    ages = sorted(ages[skip:])
    sys.stdout.write(f"{ages[len(ages) // 2] / 1e6} {ages[len(ages) * 99 // 100] / 1e6}\n")


if __name__ == "__main__":
    main(*sys.argv[1:3], int(sys.argv[3]), int(sys.argv[4]))
