"""``take`` and its kin: a task of the stream's own reads ahead, and the agent gets what has come in a list.

The events' spans begin as they arrive, are set aside, and are handled when the agent has the list.
"""

from __future__ import annotations

import functools
import weakref
from typing import Any

from lineage.agent.batch import Batch, Round
from lineage.agent.current import hide
from lineage.agent.guard import guarded
from lineage.agent.patches.faust.clients import consumer_of
from lineage.agent.patches.faust.streams import ASIDE, Iteration, aside_of
from lineage.agent.patching import Patch
from lineage.agent.recorder import Recorder, switch


def taking(original: Any) -> Any:
    """``Stream.take`` and its kin."""

    @functools.wraps(original)
    def take(self: Any, *args: Any, **kwargs: Any) -> Any:
        items = original(self, *args, **kwargs)
        return items if switch.recorder is None else _Taking(self, items)

    return take


class _Taking(Iteration):
    """What ``take`` returned. ``aside`` has the events that arrived and were not handed out yet."""

    def __init__(self, stream: Any, items: Any) -> None:
        super().__init__(stream, items)
        self.aside: dict[int, tuple[Any, Any]] = {}

    async def __anext__(self) -> Any:
        recorder = switch.recorder
        if recorder is not None:
            self._ask(recorder)
        values = await self._items.__anext__()
        return values if recorder is None else self._batch(recorder, values) or values

    async def aclose(self) -> None:
        self._end()
        await self._items.aclose()

    @guarded
    def _ask(self, recorder: Recorder) -> None:
        # From now on, not from the call: only now does the library begin to read ahead.
        setattr(self._stream, ASIDE, weakref.ref(self))
        recorder.receives.next_request(consumer_of(recorder, self._stream))

    @guarded
    def _batch(self, recorder: Recorder, values: Any) -> list[Any] | None:
        # The library's own list of the events that the values came with: values need not tell them apart.
        events = self._items.ag_frame.f_locals["events"]
        spans = [self.aside.pop(id(event), (None, None))[1] for event in events]
        if not any(spans):
            return None
        distinct = len({id(value) for value in values}) == len(values) == len(spans)
        entries = zip(values if distinct else events, spans, strict=True)
        round_ = consumer_of(recorder, self._stream).open = Round(hide(), list(entries))
        round_.enter()
        return Batch(values, round_) if distinct else None

    @guarded
    def _end(self) -> None:
        if aside_of(self._stream) is self.aside:
            delattr(self._stream, ASIDE)
        for _, span in self.aside.values():
            span.close()
        self.aside.clear()
        if switch.recorder is not None:
            switch.recorder.receives.closed(consumer_of(switch.recorder, self._stream))


TAKE_PATCHES = (
    Patch("faust.streams", "Stream.take", taking),
    Patch("faust.streams", "Stream.take_events", taking, optional=True),
    Patch("faust.streams", "Stream.take_with_timestamp", taking, optional=True),
    Patch("faust.streams", "Stream.noack_take", taking, optional=True),
)
