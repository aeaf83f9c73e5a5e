"""confluent_kafka.aio, message by message or batch by batch."""

import asyncio

from confluent_kafka.aio import AIOConsumer, AIOProducer
from plain import CONSUMER, COUNT, MODE, PRODUCER, WRITES, derived, places, running, seen


async def main():
    consumer, producer = AIOConsumer(dict(CONSUMER)), AIOProducer(dict(PRODUCER), buffer_timeout=0.1)
    await consumer.assign(places())
    left, deliveries = COUNT, []
    while running(left):
        for message in await received(consumer):
            value = derived(seen(message).value())
            if MODE == "headers":
                await refuses_headers(producer)
            deliveries.append(await producer.produce(WRITES[0], value=value, key=message.key()))
            left -= 1
    await producer.flush()
    delivered = await asyncio.gather(*deliveries)
    assert all(message.offset() >= 0 for message in delivered)
    await producer.close()
    await consumer.close()


async def refuses_headers(producer):
    try:
        await producer.produce(WRITES[0], value=b"with headers", headers=[("a", b"1")])
    except NotImplementedError:
        return
    raise AssertionError("headers were taken: time for a scenario that forwards them")


async def received(consumer):
    if MODE == "consume":
        return await consumer.consume(50, timeout=0.1)
    message = await consumer.poll(timeout=0.2)
    return [] if message is None else [message]


asyncio.run(main())
