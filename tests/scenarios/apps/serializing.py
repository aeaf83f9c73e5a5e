"""Serializers and deserializers of the user's own."""

import json

from confluent_kafka import DeserializingConsumer, SerializingProducer
from confluent_kafka.serialization import StringDeserializer, StringSerializer
from plain import CONSUMER, COUNT, PRODUCER, WRITES, attach, derived, running, seen


def serialize(value, context):
    return json.dumps(value).encode()


def deserialize(data, context):
    return json.loads(data)


consumer = attach(
    DeserializingConsumer({**CONSUMER, "key.deserializer": StringDeserializer(), "value.deserializer": deserialize})
)
producer = SerializingProducer({**PRODUCER, "key.serializer": StringSerializer(), "value.serializer": serialize})
left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is None:
        continue
    seen(message)
    producer.produce(WRITES[0], key=message.key(), value=json.loads(derived(message.value())))
    producer.poll(0)
    left -= 1
producer.flush(10)
consumer.close()
