"""A batch of messages that knows which one the application's loop has reached.

There is one process span per message: it starts when the loop reaches the message (iteration, index, pop) and ends when the loop
moves on. After the loop, or without one, no single message is current: what is sent then belongs to the batch as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import time_ns
from typing import Any, SupportsIndex

from opentelemetry.context import Context

from lineage.agent.current import HANDLING, SPAN, Handling, ProcessSpan, here, var
from lineage.agent.loops import in_hand
from lineage.model.records import ROLE_BATCH


class Round(Handling):
    """One answer to ``consume``: its messages' spans, and which of them is current."""

    __slots__ = ("_ahead", "_current", "_reached", "_spans")

    def __init__(self, base: Context, entries: Iterable[tuple[Any, ProcessSpan | None]]) -> None:
        # The messages are kept alive with their spans: their ids name them.
        self._spans = {id(message): (message, span) for message, span in entries}
        spans = tuple(self.spans())
        super().__init__(base, spans[-1] if spans else None, spans[:-1], ROLE_BATCH)
        self._current: ProcessSpan | None = None
        self._ahead: Handling | None = None
        self._reached: Context | None = None

    def enter(self) -> None:
        """Make the batch as a whole what is handled, here."""
        self.home = here()
        var.set(Context({**self.base, HANDLING: self}))

    def reach(self, message: Any) -> None:
        """The loop has reached this message."""
        self._move_on()
        _, span = self._spans.get(id(message), (None, None))
        if span is None:
            var.set(Context(self.base))
        elif span.closed:
            # Fetched ahead: the consumer was asked for more before this one was handled.
            self._ahead = Handling(self.base, span)
            var.set(Context({**self.base, SPAN: span, HANDLING: self._ahead}))
        else:
            if not span.end_time:
                span.start_time = time_ns()
            self._current = span
            span.enter()
        self._reached = var.get()

    def finish_loop(self) -> None:
        """The loop is over: if what it reached last still is current here, the whole batch takes its place."""
        if var.get() is not self._reached:
            return
        self._move_on()
        if not self.end_time:
            self.enter()
            return
        whole = Handling(self.base, self.parent, self.others, self.role)
        # Nobody tells when this is over.
        whole.disown()
        var.set(Context({**self.base, HANDLING: whole}))

    def close(self) -> None:
        """The consumer was asked for more: all spans end, at the latest now."""
        self.expire()
        for span in self.spans():
            span.close()
        self._current = None

    def find(self, message: Any) -> ProcessSpan | None:
        """The span of one of the batch's messages, None for any other object."""
        return self._spans.get(id(message), (None, None))[1]

    def has(self, messages: Iterable[Any]) -> bool:
        """Whether any of these objects is one of the batch's messages."""
        return any(id(message) in self._spans for message in messages)

    def in_hand(self) -> ProcessSpan | None:
        """The message of the batch that a loop over something else (a sorted copy, a dict) is at."""
        span = in_hand(self.find) if self.home == here() and not self.end_time else None
        if span is not None and not span.closed:
            # It was reached when the batch was taken apart; its handling lasts until now.
            span.stop()
        return span

    def spans(self) -> Iterator[ProcessSpan]:
        """The spans of the batch's messages, in order."""
        return (span for _, span in self._spans.values() if span is not None)

    def disown(self) -> None:
        """In a forked child: the spans are the parent process's to end."""
        super().disown()
        for span in self.spans():
            span.disown()

    def _move_on(self) -> None:
        self._reached = None
        if self._ahead is not None:
            self._ahead.expire()
            self._ahead = None
        if self._current is not None:
            self._current.leave()
            self._current = None


class Batch(list[Any]):
    """The list that ``consume`` returned, telling its round what the loop does."""

    __slots__ = ("_round",)

    def __init__(self, messages: Iterable[Any], round_: Round) -> None:
        super().__init__(messages)
        self._round = round_

    def __iter__(self) -> Iterator[Any]:
        round_ = self._round
        try:
            for message in list.__iter__(self):
                round_.reach(message)
                yield message
        finally:
            round_.finish_loop()

    def __reversed__(self) -> Iterator[Any]:
        return iter(Batch(list.__reversed__(self), self._round))

    def __getitem__(self, index: Any) -> Any:
        found = list.__getitem__(self, index)
        if isinstance(index, slice):
            return Batch(found, self._round)
        self._round.reach(found)
        return found

    def pop(self, index: SupportsIndex = -1) -> Any:
        message = list.pop(self, index)
        self._round.reach(message)
        return message

    def __reduce__(self) -> Any:
        return list, (list.copy(self),)


def rewrapped(messages: list[Any], round_: Round) -> Batch:
    """Another list of the same messages (a library deserialized them), back under the same round."""
    round_.enter()
    return Batch(messages, round_)
