"""Which consumed message an object or a header belongs to.

A message returns the very same value and header objects at each call, so the object that a send carries can prove where it came
from. Objects are kept alive while they are remembered: a freed object's address is soon another's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from lineage.agent.current import ProcessSpan

# CPython shares empty and one-byte bytes: the same object in many messages.
_SHARED = 1


class Evidence:
    """A bounded memory of consumed messages, by object identity and by the text of the header that names their send.

    ``markers`` are the names of such headers: ``traceparent``, or those of another propagator.
    """

    def __init__(self, messages: int, value_bytes: int, markers: Iterable[str]) -> None:
        self._limit = messages
        self._bytes_limit = value_bytes
        self._markers = frozenset(markers)
        self._bytes = 0
        self._order: deque[tuple[ProcessSpan, Any, Any, Any]] = deque()
        self._by_object: dict[int, tuple[Any, ProcessSpan]] = {}
        self._by_text: dict[bytes, tuple[int, ProcessSpan]] = {}

    def remember(self, span: ProcessSpan, message: Any, value: Any, headers: list[tuple[str, Any]] | None, marker: Any) -> None:
        """Keep what a message looks like; ``marker`` is the header value that names its send, if it has one."""
        if not self._limit:
            return
        by_object = self._by_object
        if value.__class__ is bytes and len(value) > _SHARED:
            self._bytes += len(value)
            by_object[id(value)] = (value, span)
        else:
            value = None
        if marker.__class__ is bytes:
            span.marker = marker
            known = self._by_text.get(marker)
            # A producer without an agent may put one trace context on thousands of messages: count, do not list them.
            self._by_text[marker] = (1, span) if known is None else (known[0] + 1, span)
        elif headers:
            # Nobody upstream wrote a trace context: any header object of this message still is only this message's.
            marker = headers[-1][1]
        if marker.__class__ is bytes and len(marker) > _SHARED:
            by_object[id(marker)] = (marker, span)
        self._order.append((span, message, value, marker))
        while len(self._order) > self._limit or self._bytes > self._bytes_limit:
            self._forget()

    def of_value(self, value: Any) -> ProcessSpan | None:
        """The message whose value this very object is."""
        entry = self._by_object.get(id(value))
        return entry[1] if entry is not None and entry[0] is value else None

    def of_headers(self, headers: Iterable[tuple[Any, Any]], current: Any) -> ProcessSpan | None:
        """The message these headers were forwarded from.

        The same record consumed twice is told apart by the header object, else by what is being handled now, else not at all.
        """
        marker = None
        for name, value in headers:
            if name in self._markers:
                marker = value
            entry = self._by_object.get(id(value))
            if entry is not None and entry[0] is value:
                return entry[1]
        count, span = self._by_text.get(marker, (0, None)) if isinstance(marker, bytes) else (0, None)
        if count > 1:
            return current if current is not None and current.marker == marker else None
        return span

    def of_message(self, message: Any) -> ProcessSpan | None:
        """The span of a message object that was consumed lately."""
        return next((entry[0] for entry in reversed(tuple(self._order)) if entry[1] is message), None)

    def clear(self) -> None:
        """Forget everything."""
        self._order.clear()
        self._by_object.clear()
        self._by_text.clear()
        self._bytes = 0

    def _forget(self) -> None:
        try:
            span, _, value, marker = self._order.popleft()
        except IndexError:  # another thread was quicker
            self._bytes = 0
            return
        if value is not None:
            self._bytes -= len(value)
            entry = self._by_object.get(id(value))
            if entry is not None and entry[1] is span:
                self._by_object.pop(id(value), None)
        if isinstance(marker, bytes):
            entry = self._by_object.get(id(marker))
            if entry is not None and entry[1] is span:
                self._by_object.pop(id(marker), None)
            # The oldest is forgotten first, so the span that is kept here is the last to go.
            count, latest = self._by_text.pop(marker, (0, span))
            if count > 1:
                self._by_text[marker] = (count - 1, latest)
