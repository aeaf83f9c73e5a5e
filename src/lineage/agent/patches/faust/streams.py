"""Streams: an event is handled from its arrival until whoever iterates over the stream asks for the next one.

Agents, ``group_by``, ``through`` and ``events()`` all iterate in the task that does the work, so the event is current there. The
sinks of an agent are called there, too, before it goes on.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable
from types import TracebackType
from typing import Any

from lineage.agent.clients import Client
from lineage.agent.guard import guarded
from lineage.agent.patches.faust.clients import consumer_of
from lineage.agent.patching import Patch
from lineage.agent.receives import Received
from lineage.agent.recorder import Recorder, switch

ASIDE = "_lineage_aside"
"""Of a stream that is read ahead: a weak reference to the spans of events that nobody has handled yet."""

_UNNAMED = memoryview(b"")


def arriving(original: Any) -> Any:
    """``on_stream_event_in``: called in the task that iterates, before the stream's own processors."""

    @functools.wraps(original)
    def on_stream_event_in(self: Any, tp: Any, offset: Any, stream: Any, event: Any) -> Any:
        if switch.recorder is not None:
            _arrived(switch.recorder, stream, event)
        return original(self, tp, offset, stream, event)

    return on_stream_event_in


def leaving(original: Any) -> Any:
    """``on_stream_event_out``: with a state it comes from the stream's own loop, which may have filtered the event out."""

    @functools.wraps(original)
    def on_stream_event_out(self: Any, tp: Any, offset: Any, stream: Any, event: Any, state: Any = None) -> Any:
        result = original(self, tp, offset, stream, event, state)
        if switch.recorder is not None and state is not None:
            _left(switch.recorder, stream, event)
        return result

    return on_stream_event_out


def iterating(original: Any) -> Any:
    """``Stream.__aiter__``."""

    @functools.wraps(original)
    def __aiter__(self: Any) -> Any:
        items = original(self)
        return items if switch.recorder is None else Iteration(self, items)

    return __aiter__


class Iteration(AsyncGenerator[Any, Any]):
    """The asynchronous generator of a stream, telling when whoever iterates goes on."""

    def __init__(self, stream: Any, items: Any) -> None:
        self._stream = stream
        self._items = items

    def __anext__(self) -> Awaitable[Any]:  # type: ignore[override]  # a generator's is no coroutine either
        went_on(self._stream)
        return self._items.__anext__()  # type: ignore[no-any-return]

    def asend(self, value: Any) -> Awaitable[Any]:  # type: ignore[override]
        went_on(self._stream)
        return self._items.asend(value)  # type: ignore[no-any-return]

    def athrow(  # type: ignore[override]
        self, kind: Any, error: Any = None, trace: TracebackType | None = None, /
    ) -> Awaitable[Any]:
        return self._items.athrow(kind, error, trace)  # type: ignore[no-any-return]

    def aclose(self) -> Awaitable[None]:  # type: ignore[override]
        went_on(self._stream)
        return self._items.aclose()  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._items, name)


@guarded
def went_on(stream: Any) -> None:
    """Whoever iterates over this stream asks for the next event."""
    recorder = switch.recorder
    if recorder is None:
        return
    aside = aside_of(stream)
    if aside is None:
        recorder.receives.next_request(consumer_of(recorder, stream))
    else:
        for _, span in aside.values():
            span.leave()


def aside_of(stream: Any) -> dict[int, tuple[Any, Any]] | None:
    """Events and spans of a stream that is read ahead, by the events' ids; None if it is not."""
    reference = vars(stream).get(ASIDE)
    taking = reference() if reference is not None else None
    return None if taking is None else taking.aside


@guarded
def _arrived(recorder: Recorder, stream: Any, event: Any) -> None:
    client = consumer_of(recorder, stream)
    aside = aside_of(stream)
    if aside is None:
        recorder.receives.next_request(client)
        _receive(recorder, client, event)
        return
    whole, client.open = client.open, None
    _receive(recorder, client, event)
    if client.open is not None:
        aside[id(event)] = event, client.open
    client.open = whole


@guarded
def _left(recorder: Recorder, stream: Any, event: Any) -> None:
    aside = aside_of(stream)
    if aside is None:
        recorder.receives.next_request(consumer_of(recorder, stream))
    elif (entry := aside.pop(id(event), None)) is not None:
        entry[1].close()


def _receive(recorder: Recorder, client: Client, event: Any) -> None:
    message = event.message
    if message.offset is None or message.offset < 0:
        return  # from a channel in memory
    # Several agents get the very same message: its objects do not tell which of them sends something.
    headers = [(name, _copied(value)) for name, value in _pairs(message.headers)]
    value = None if message.value is None else _UNNAMED
    when = int(message.timestamp * 1000) if message.timestamp else None
    place = message.topic, message.partition, message.offset
    recorder.receives.one(client, Received(event, *place, message.key, value, headers, when))
    if client.open is not None and isinstance(message.value, bytes):
        client.open.size = len(message.value)


def _pairs(headers: Any) -> Any:
    return headers.items() if isinstance(headers, dict) else headers or ()


def _copied(value: Any) -> Any:
    return bytes(bytearray(value)) if isinstance(value, bytes) else value


STREAM_PATCHES = (
    Patch("faust.sensors.base", "SensorDelegate.on_stream_event_in", arriving),
    Patch("faust.sensors.base", "SensorDelegate.on_stream_event_out", leaving),
    Patch("faust.streams", "Stream.__aiter__", iterating),
)
