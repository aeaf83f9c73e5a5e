"""What the applications share: where Kafka is, and a loop that stops after so many messages."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer

BOOTSTRAP = os.environ["KAFKA_BOOTSTRAP"]
PREFIX = os.environ.get("TOPIC_PREFIX", "")
COUNT = int(os.environ.get("ORDERS", "10"))
PATIENCE = 30.0


def producer() -> Producer:
    """A client to send with."""
    return Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 0})


def send(client: Producer, topic: str, key: bytes | None, value: dict[str, Any]) -> None:
    """Send a value as JSON, and wait until it is stored: what was handled is committed only after that."""
    client.produce(PREFIX + topic, json.dumps(value).encode(), key)
    client.flush()


def run(group: str, topics: list[str], count: int, handle: Callable[[Message], None]) -> None:
    """Handle so many messages of these topics, then stop."""
    consumer = Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": PREFIX + group,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
            "fetch.wait.max.ms": 50,
        }
    )
    consumer.subscribe([PREFIX + topic for topic in topics], on_assign=lambda *_: print("ready", flush=True))
    deadline = time.monotonic() + PATIENCE
    while count:
        message = consumer.poll(1.0)
        if message is None:
            if time.monotonic() > deadline:
                raise SystemExit(f"{group}: {count} messages did not come within {PATIENCE:.0f} s")
        elif message.error():
            raise KafkaException(message.error())
        else:
            handle(message)
            count -= 1
    consumer.close()
