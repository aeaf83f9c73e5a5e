"""A share group's member: messages are acknowledged one by one. Some fail: given back, or given up."""

import json

from confluent_kafka import AcknowledgeType, DeserializingShareConsumer, Producer, ShareConsumer
from plain import CLIENT, COUNT, GROUP, MODE, PRODUCER, READS, WRITES, derived, identity, running, seen

MEMBER = {**CLIENT, "group.id": GROUP, "share.acknowledgement.mode": "explicit"}


def deserialize(data, context):
    return json.loads(data)


def settled(message):
    """Handle a message, and say what is to become of it."""
    number = int(identity(seen(message).value()).rpartition("-")[2])
    if MODE == "failures" and number % 5 == 0 and message.delivery_count() == 1:
        return AcknowledgeType.RELEASE
    if MODE == "failures" and number % 7 == 3:
        return AcknowledgeType.REJECT
    producer.produce(WRITES[0], derived(message.value()), message.key())
    return AcknowledgeType.ACCEPT


producer = Producer(PRODUCER)
if MODE == "deserializing":
    consumer = DeserializingShareConsumer({**MEMBER, "value.deserializer": deserialize})
else:
    consumer = ShareConsumer(MEMBER)
consumer.subscribe(READS)
left = COUNT
while running(left):
    for message in consumer.poll(1):
        how = settled(message)
        consumer.acknowledge(message, how)
        left -= how is not AcknowledgeType.RELEASE
    consumer.commit_sync(10)
producer.flush(10)
consumer.close()
