"""Sends at a fixed rate, each message with the time of its sending. Usage: ping.py BOOTSTRAP TOPIC COUNT RATE."""

import sys
import time

from confluent_kafka import Producer


def main(bootstrap, topic, count, rate):
    """Send each when its time has come, whatever happened to the one before."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    producer.list_topics(topic, 10)
    begin = time.monotonic()
    for number in range(count):
        time.sleep(max(0, begin + number / rate - time.monotonic()))
        producer.produce(topic, time.monotonic_ns().to_bytes(8, "big") + b"x" * 192)
        producer.poll(0)
    producer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:3], int(sys.argv[3]), int(sys.argv[4]))
