"""The asyncio clients: they work in a thread pool, so causes are carried over to and from the task that asked."""

from __future__ import annotations

import functools
from typing import Any

from lineage.agent.adoption import adopt
from lineage.agent.current import var
from lineage.agent.patches.confluent_kafka.batches import CONTEXT
from lineage.agent.patching import Patch


def adopting(original: Any) -> Any:
    """``poll`` or ``consume``: what comes back is being handled by the task that asked, not by the pool's thread."""

    @functools.wraps(original)
    async def asking(self: Any, *args: Any, **kwargs: Any) -> Any:
        return adopt(self._consumer, await original(self, *args, **kwargs))

    return asking


def remembering(original: Any) -> Any:
    """``add_message``: the message waits in a buffer that another task empties, so its context waits with it."""

    @functools.wraps(original)
    def add_message(self: Any, msg_data: Any, *args: Any, **kwargs: Any) -> Any:
        return original(self, {**msg_data, CONTEXT: var.get()}, *args, **kwargs)

    return add_message


def _patches(package: str) -> tuple[Patch, ...]:
    consumer, deserializing = f"{package}._AIOConsumer", f"{package}._AsyncDeserializingConsumer"
    buffer = f"{package}.producer._producer_batch_processor"
    return (
        Patch(consumer, "AIOConsumer.poll", adopting, optional=True),
        Patch(consumer, "AIOConsumer.consume", adopting, optional=True),
        Patch(deserializing, "AsyncDeserializingConsumer.consume", adopting, optional=True),
        Patch(buffer, "ProducerBatchManager.add_message", remembering, optional=True),
    )


# 2.12 and 2.13 keep them under experimental.
AIO_PATCHES = (*_patches("confluent_kafka.aio"), *_patches("confluent_kafka.experimental.aio"))
