"""What the applications here share: settings, a deadline, and how a record tells where it came from. No tracing code."""

import base64
import json
import os
import sys
import time

from confluent_kafka import KafkaException, TopicPartition

NAME = os.environ["APP_NAME"]
READS = [topic for topic in os.environ["APP_READS"].split(",") if topic]
WRITES = [topic for topic in os.environ["APP_WRITES"].split(",") if topic]
COUNT = int(os.environ["APP_COUNT"])
MODE = os.environ["APP_MODE"]
STATE = os.environ.get("APP_STATE")
GROUP = os.environ["APP_GROUP"]
JOINS = bool(os.environ["APP_JOINS"])
PARTITIONS = range(int(os.environ["APP_PARTITIONS"]))
DEADLINE = time.monotonic() + 40

CLIENT = {"bootstrap.servers": os.environ["APP_BOOTSTRAP"]}
PRODUCER = {**CLIENT, "linger.ms": 2}
CONSUMER = {
    **CLIENT,
    "group.id": GROUP,
    "auto.offset.reset": "earliest",
    "session.timeout.ms": 6000,
    "fetch.wait.max.ms": 20,
}


def places(topics=READS):
    """Every partition of these topics, from its beginning: by number, as librdkafka takes half a second to look that up."""
    return [TopicPartition(topic, partition, 0) for topic in topics for partition in PARTITIONS]


def attach(consumer, topics=READS):
    """Join the group where that is the point; else take all partitions, which is faster."""
    if JOINS:
        consumer.subscribe(topics)
    else:
        consumer.assign(places(topics))
    return consumer


def running(left):
    """Whether there is still something to wait for."""
    if left > 0 and time.monotonic() > DEADLINE:
        sys.exit(f"{NAME}: {left} messages never came")
    return left > 0


def event(number):
    """A new event, caused by nothing."""
    return json.dumps({"id": f"{NAME}-{number}", "from": []}).encode()


def derived(*values, name=NAME, maybe=()):
    """A new value that says which values it was made from, and which it may have been."""
    causes, possible = [identity(each) for each in values], [identity(each) for each in maybe]
    truth = {"id": f"{name}({','.join(causes or possible)})", "from": causes}
    return json.dumps({**truth, "maybe": possible} if possible else truth).encode()


def identity(value):
    return (value if isinstance(value, dict) else json.loads(value))["id"]


def told(value):
    """A header that tells the truth about a record which passes a value on as it is."""
    return ("truth", value)


def seen(message):
    """Print a message as the application sees it, and give it back."""
    if message.error():
        raise KafkaException(message.error())
    document = {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "key": shown(message.key()),
        "value": shown(message.value()),
        "headers": shown(message.headers()),
        "type": type(message.headers()).__name__,
    }
    print(json.dumps(document), flush=True)
    return message


def shown(value):
    """Any value as JSON: bytes that are no text in base64, tuples as lists."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [shown(each) for each in value]
    return value
