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
        self._markers = tuple(markers)
        self._only = self._markers[0] if len(self._markers) == 1 else None
        self._bytes = 0
        self._order: deque[tuple[ProcessSpan, Any, Any, Any, int]] = deque()
        self._by_object: dict[int, tuple[Any, ProcessSpan]] = {}
        self._by_text: dict[bytes, tuple[int, ProcessSpan]] = {}

    def remember(
        self, span: ProcessSpan, message: Any, value: Any, headers: list[tuple[str, Any]] | None, found: dict[Any, Any]
    ) -> None:
        """Keep what a message looks like; ``found`` has the headers that name its send, if it has any, by name."""
        if not self._limit:
            return
        by_object, size = self._by_object, 0
        if value.__class__ is bytes and len(value) > _SHARED:
            size = len(value)
            by_object[id(value)] = (value, span)
        else:
            value = None
        text = found.get(self._only)
        if text.__class__ is not bytes:
            text = self._text(found) if found else None
        proof = text
        if text is not None:
            span.marker = text
            known = self._by_text.get(text)
            # A producer without an agent may put one trace context on thousands of messages: count, do not list them.
            self._by_text[text] = (1, span) if known is None else (known[0] + 1, span)
        if headers:
            for _, header in headers:
                if header.__class__ is bytes:
                    size += len(header)
            if text is None or self._only is None:
                # Any header object of this message is only this message's.
                proof = headers[-1][1]
        if proof.__class__ is bytes and len(proof) > _SHARED:
            by_object[id(proof)] = (proof, span)
        self._bytes += size
        self._order.append((span, message, value, proof, size))
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
        found = {}
        for name, value in headers:
            if name in self._markers:
                found[name] = value
            entry = self._by_object.get(id(value))
            if entry is not None and entry[0] is value:
                return entry[1]
        text = self._text(found)
        count, span = self._by_text.get(text, (0, None)) if text is not None else (0, None)
        if count > 1:
            return current if isinstance(current, ProcessSpan) and current.marker == text else None
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
            span, _, value, proof, size = self._order.popleft()
        except IndexError:  # another thread was quicker
            self._bytes = 0
            return
        self._bytes -= size
        for kept in (value, proof):
            entry = self._by_object.get(id(kept))
            if entry is not None and entry[1] is span:
                self._by_object.pop(id(kept), None)
        if span.marker is not None:
            # The oldest is forgotten first, so the span that is kept here is the last to go.
            count, latest = self._by_text.pop(span.marker, (0, span))
            if count > 1:
                self._by_text[span.marker] = (count - 1, latest)

    def _text(self, found: dict[Any, Any]) -> bytes | None:
        """What names a send: all of its propagator's headers together, as one of them may only name the trace."""
        values = [value.encode() if isinstance(value, str) else value for value in map(found.get, self._markers)]
        return b"\n".join(value for value in values if isinstance(value, bytes)) or None
