"""The blocking client in an event loop: polled in an executor or by to_thread, handled in the coroutine or in a task of its own."""

import asyncio

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, MODE, PRODUCER, WRITES, attach, derived, running, seen

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)


async def polled():
    if MODE.startswith("executor"):
        return await asyncio.get_running_loop().run_in_executor(None, consumer.poll, 0.2)
    return await asyncio.to_thread(consumer.poll, 0.2)


async def handle(message):
    value = derived(message.value())
    await asyncio.sleep(0.01)
    producer.produce(WRITES[0], value, message.key())


async def main():
    left, tasks = COUNT, []
    while running(left):
        message = await polled()
        if message is None:
            continue
        seen(message)
        if MODE.endswith("tasks"):
            tasks.append(asyncio.create_task(handle(message)))
        else:
            await handle(message)
        left -= 1
    await asyncio.gather(*tasks)
    await asyncio.to_thread(producer.flush, 10)


asyncio.run(main())
consumer.close()
