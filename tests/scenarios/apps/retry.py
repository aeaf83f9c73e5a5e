"""Some orders fail: they go to a retry topic, some of them to the dead letters, headers and values as they came."""

import json

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, PRODUCER, READS, WRITES, attach, derived, identity, running, seen, told

orders, again = READS
out, retry, dead = WRITES
consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)


def passed_on(message, topic, name):
    """Send a message on as it is."""
    cause = identity(dict(message.headers() or ()).get("truth") or message.value())
    truth = json.dumps({"id": f"{name}({cause})", "from": [cause]}).encode()
    headers = [*(message.headers() or ()), ("failed-in", name), told(truth)]
    producer.produce(topic, message.value(), message.key(), headers=headers)


def handle(message):
    number = int(identity(message.value()).rpartition("-")[2])
    if message.topic() == orders and number % 4 == 0:
        passed_on(message, retry, "retry")
    elif number % 8 == 0:
        passed_on(message, dead, "dead")
    else:
        truth = dict(message.headers() or ()).get("truth")
        producer.produce(out, derived(truth or message.value()), message.key())


left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is not None:
        handle(seen(message))
        producer.poll(0)
        left -= 1
producer.flush(10)
consumer.close()
