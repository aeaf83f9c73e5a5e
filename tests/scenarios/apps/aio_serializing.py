"""confluent_kafka.aio with serializers."""

import asyncio
import json

from confluent_kafka.aio import AsyncDeserializingConsumer, AsyncSerializingProducer
from plain import CONSUMER, COUNT, PRODUCER, WRITES, derived, places, running, seen


async def deserialize(data, context):
    return json.loads(data)


async def serialize(value, context):
    return json.dumps(value).encode()


async def main():
    consumer = await AsyncDeserializingConsumer({**CONSUMER, "value.deserializer": deserialize})
    producer = await AsyncSerializingProducer({**PRODUCER, "value.serializer": serialize}, buffer_timeout=0.1)
    await consumer.assign(places())
    left, deliveries = COUNT, []
    while running(left):
        message = await consumer.poll(timeout=0.2)
        if message is None:
            continue
        value = json.loads(derived(seen(message).value()))
        deliveries.append(await producer.produce(WRITES[0], value=value, key=message.key()))
        left -= 1
    await producer.flush()
    await asyncio.gather(*deliveries)
    await producer.close()
    await consumer.close()


asyncio.run(main())
