"""Which consumed message an object or a header belongs to.

A message returns the very same value and header objects at each call, so the object that a send carries can prove where it came
from. Objects are kept alive while they are remembered: a freed object's address is soon another's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import chain
from typing import Any

from lineage.agent.current import ProcessSpan

# CPython shares empty and one-byte bytes: the same object in many messages.
_SHARED = 1


# A message: its span, the object, its value if that may prove something, a header object that is only this message's, bytes held.
_Remembered = tuple[ProcessSpan, Any, Any, Any, int]


class _Headers:
    """Messages by a header object of theirs, and by the text that names their send."""

    __slots__ = ("proofs", "texts")

    def __init__(self, messages: Iterable[_Remembered]) -> None:
        self.proofs: dict[int, _Remembered] = {}
        self.texts: dict[bytes, tuple[int, ProcessSpan]] = {}
        for remembered in messages:
            self.add(remembered)

    def add(self, remembered: _Remembered) -> None:
        """Find this message from now on; once, however often it is told."""
        span, _, _, proof, _ = remembered
        marker = span.marker
        if proof.__class__ is bytes and len(proof) > _SHARED:
            if self.proofs.get(id(proof)) is remembered:
                return
            self.proofs[id(proof)] = remembered
        if marker is not None:
            known = self.texts.get(marker)
            # A producer without an agent may put one trace context on thousands of messages: count, do not list them.
            self.texts[marker] = (1 if known is None else known[0] + 1, span)

    def forget(self, remembered: _Remembered) -> None:
        """Find it no more."""
        span, _, _, proof, _ = remembered
        if self.proofs.get(id(proof)) is remembered:
            self.proofs.pop(id(proof), None)
        marker = span.marker
        if marker is not None:
            # The oldest is forgotten first, so the span that is kept here is the last to go.
            count, latest = self.texts.pop(marker, (0, span))
            if count > 1:
                self.texts[marker] = (count - 1, latest)


class Evidence:
    """A bounded memory of consumed messages, by object identity and by the text of the header that names their send.

    ``markers`` are the names of such headers: ``traceparent``, or those of another propagator. Who never sends, or never forwards
    headers, does not pay for finding them: each index is made when it is first asked.
    """

    def __init__(self, messages: int, value_bytes: int, markers: Iterable[str]) -> None:
        self._limit = messages
        self._bytes_limit = value_bytes
        self._markers = tuple(markers)
        self._only = self._markers[0] if len(self._markers) == 1 else None
        self._bytes = 0
        self._order: deque[_Remembered] = deque()
        self._values: dict[int, _Remembered] | None = None
        self._headers: _Headers | None = None

    def remember(
        self, span: ProcessSpan, message: Any, value: Any, headers: list[tuple[str, Any]] | None, found: dict[Any, Any]
    ) -> None:
        """Keep what a message looks like; ``found`` has the headers that name its send, if it has any, by name."""
        if not self._limit:
            return
        proof = found.get(self._only)
        if proof.__class__ is not bytes:
            proof = self._text(found) if found else None
        span.marker = proof
        self.keep(span, message, value, headers, len(found))

    def keep(
        self, span: ProcessSpan, message: Any, value: Any, headers: list[tuple[str, Any]] | None, named: int
    ) -> None:
        """The same for a span that has its marker; ``named`` is how many of the headers were read, which are small."""
        if not self._limit:
            return
        size = span.size or 0
        if size <= _SHARED:
            value = None
        proof: Any = span.marker
        if headers:
            if len(headers) > named:
                size += sum(len(header) for _, header in headers if header.__class__ is bytes)
            if proof is None or self._only is None:
                # Any header object of this message is only this message's.
                proof = headers[-1][1]
        remembered = span, message, value, proof, size
        self._bytes += size
        self._order.append(remembered)
        if self._values is not None:
            self._values[id(value)] = remembered
        if self._headers is not None:
            self._headers.add(remembered)
        while len(self._order) > self._limit or self._bytes > self._bytes_limit:
            self._forget()

    @property
    def asked(self) -> bool:
        """Whether this process ever asked: who only consumes never does."""
        return self._values is not None

    def of_value(self, value: Any) -> ProcessSpan | None:
        """The message whose value this very object is."""
        values = self._values
        if values is None:
            values = self._index_values()
        remembered = values.get(id(value))
        return remembered[0] if remembered is not None and value is not None and remembered[2] is value else None

    def of_headers(self, headers: Iterable[tuple[Any, Any]], current: Any) -> ProcessSpan | None:
        """The message these headers were forwarded from.

        The same record consumed twice is told apart by the header object, else by what is being handled now, else not at all.
        """
        index = self._headers or self._index_headers()
        proofs, values = index.proofs, self._values
        if values is None:
            values = self._index_values()
        found = {}
        for name, value in headers:
            if name in self._markers:
                found[name] = value
            entry = proofs.get(id(value))
            if entry is not None and entry[3] is value:
                return entry[0]
            # Whoever gives up on a message may put all of it into a header of another.
            entry = values.get(id(value))
            if entry is not None and entry[2] is value and value is not None:
                return entry[0]
        text = self._text(found)
        count, span = index.texts.get(text, (0, None)) if text is not None else (0, None)
        if count > 1:
            return current if isinstance(current, ProcessSpan) and current.marker == text else None
        return span

    def of_message(self, message: Any) -> ProcessSpan | None:
        """The span of a message object that was consumed lately."""
        return next((entry[0] for entry in reversed(tuple(self._order)) if entry[1] is message), None)

    def clear(self) -> None:
        """Forget everything."""
        self._order.clear()
        self._values = self._headers = None
        self._bytes = 0

    # Another thread may consume while an index is made: what it remembers and forgets is seen to behind it.

    def _index_values(self) -> dict[int, _Remembered]:
        before = self._order.copy()
        values = self._values = {id(remembered[2]): remembered for remembered in before}
        after = self._order.copy()
        values.update((id(remembered[2]), remembered) for remembered in after)
        for remembered in self._gone(before, after):
            if values.get(id(remembered[2])) is remembered:
                values.pop(id(remembered[2]), None)
        return values

    def _index_headers(self) -> _Headers:
        before = self._order.copy()
        headers = self._headers = _Headers(before)
        after = self._order.copy()
        for remembered in after:
            headers.add(remembered)
        for remembered in self._gone(before, after):
            if headers.proofs.get(id(remembered[3])) is remembered:
                headers.forget(remembered)
        return headers

    def _gone(self, *earlier: Iterable[_Remembered]) -> Iterable[_Remembered]:
        kept = set(map(id, self._order.copy()))
        return (remembered for remembered in chain(*earlier) if id(remembered) not in kept)

    def _forget(self) -> None:
        try:
            oldest = self._order.popleft()
        except IndexError:  # another thread was quicker
            self._bytes = 0
            return
        _, _, value, _, size = oldest
        self._bytes -= size
        if self._values is not None and self._values.get(id(value)) is oldest:
            self._values.pop(id(value), None)
        if self._headers is not None:
            self._headers.forget(oldest)

    def _text(self, found: dict[Any, Any]) -> bytes | None:
        """What names a send: all of its propagator's headers together, as one of them may only name the trace."""
        values = [value.encode() if isinstance(value, str) else value for value in map(found.get, self._markers)]
        return b"\n".join(value for value in values if isinstance(value, bytes)) or None
