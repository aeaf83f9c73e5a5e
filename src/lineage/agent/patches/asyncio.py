"""asyncio: ``run_in_executor(None, consumer.poll, 1)`` and ``to_thread(consumer.poll, 1)``.

Only calls of a traced consumer are touched: what it gave is being handled by the task that gets the result. Pools and queues
are left alone otherwise.
"""

from __future__ import annotations

import functools
from collections.abc import Generator
from typing import Any

from lineage.agent.adoption import adopt
from lineage.agent.patching import Patch
from lineage.agent.recorder import active

_POLLS = ("poll", "consume")


@functools.cache
def _future_class() -> Any:
    # Made when one is needed: asyncio takes long to import, and who uses it has done so by then.
    from asyncio import Future

    class Adopting(Future):  # type: ignore[type-arg]  # generic only from 3.9 on at runtime, for type checkers always
        """A future whose result becomes what is being handled where it is awaited."""

        consumer: Any = None

        def result(self) -> Any:
            return adopt(self.consumer, super().result())

        def __await__(self) -> Generator[Any, None, Any]:
            return adopt(self.consumer, (yield from super().__await__()))

        __iter__ = __await__

    return Adopting


def run_in_executor(original: Any) -> Any:
    """``loop.run_in_executor``."""

    @functools.wraps(original)
    def run(self: Any, executor: Any, func: Any, *args: Any) -> Any:
        future = original(self, executor, func, *args)
        consumer = _polled(func)
        return future if consumer is None else _adopting(future, consumer, self)

    return run


def to_thread(original: Any) -> Any:
    """``asyncio.to_thread``."""

    @functools.wraps(original)
    async def run(func: Any, /, *args: Any, **kwargs: Any) -> Any:
        result = await original(func, *args, **kwargs)
        consumer = _polled(func)
        return result if consumer is None else adopt(consumer, result)

    return run


def _polled(func: Any) -> Any:
    """The traced consumer whose poll or consume this is, or None."""
    recorder = active()
    while isinstance(func, functools.partial):
        func = func.func
    if recorder is None or getattr(func, "__name__", None) not in _POLLS:
        return None
    consumer = getattr(func, "__self__", None)
    return consumer if id(consumer) in recorder.clients else None


def _adopting(future: Any, consumer: Any, loop: Any) -> Any:
    from asyncio.futures import _chain_future  # type: ignore[attr-defined]  # private, and all there is

    ours = _future_class()(loop=loop)
    ours.consumer = consumer
    _chain_future(future, ours)
    return ours


PATCHES = (
    Patch("asyncio.base_events", "BaseEventLoop.run_in_executor", run_in_executor),
    Patch("asyncio.threads", "to_thread", to_thread),
)
