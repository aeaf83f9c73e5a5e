"""Transactions with confluent_kafka.aio; the first attempt of all is aborted and done again."""

import asyncio

from confluent_kafka.aio import AIOConsumer, AIOProducer
from plain import CONSUMER, COUNT, GROUP, PRODUCER, WRITES, derived, places, running, seen


async def main():
    consumer = AIOConsumer({**CONSUMER, "enable.auto.commit": False, "isolation.level": "read_committed"})
    producer = AIOProducer({**PRODUCER, "transactional.id": GROUP})
    await consumer.assign(places())
    await producer.init_transactions(20)
    left, aborted = COUNT, False
    while running(left):
        message = await consumer.poll(timeout=0.2)
        if message is None:
            continue
        seen(message)
        if not aborted:
            await producer.begin_transaction()
            await producer.produce(WRITES[0], value=derived(message.value(), name="aborted"), key=message.key())
            await producer.abort_transaction(20)
            aborted = True
        await producer.begin_transaction()
        await producer.produce(WRITES[0], value=derived(message.value()), key=message.key())
        offsets = await consumer.position(await consumer.assignment())
        await producer.send_offsets_to_transaction(offsets, await consumer.consumer_group_metadata(), 20)
        await producer.commit_transaction(20)
        left -= 1
    await producer.close()
    await consumer.close()


asyncio.run(main())
