"""The way out: takes ended spans, never raises, never holds the application up for long, loses nothing if it can."""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Lock, local
from time import monotonic

from opentelemetry.sdk.resources import Resource

from lineage.agent.export.backlog import AnySpan, Backlog, Limits
from lineage.agent.export.encode import encode
from lineage.agent.export.exits import AtExit
from lineage.agent.export.receiver import Receiver
from lineage.agent.export.sdk import encode_resource
from lineage.agent.export.sender import Senders, Transport
from lineage.agent.spans import LightSpan

# How many spans the application packs at a time when the queue is full: at most a millisecond.
_HELPING = 512
_MANY_LINKS = 16
# Half of it, and half again within the second, is the promised 50 ms in any second.
_WAIT, _WAIT_PER_SECOND = 0.025, 0.025


class Exporter:
    """Exports spans in the background. Safe for threads and forks: a child starts empty, with its own connection."""

    def __init__(self, resource: Resource, transport: Transport, limits: Limits | None = None) -> None:
        self._resource = encode_resource(resource)
        self._transport = transport
        self.limits = limits or Limits()
        self._observe: Callable[[AnySpan], None] | None = None
        self._errors = 0
        self._begin()
        self._exits = AtExit(self)

    def _begin(self) -> None:
        self._allowance = local()
        self._backlog = Backlog(self.limits)
        self._backlog.observe = self._observe
        self._receiver = Receiver(self._transport.endpoint)
        self._senders = Senders(self._backlog, self._receiver, self._transport, self._resource)
        self._light = self._backlog.light
        self._closed = False
        self._dropped = 0
        self._counting = Lock()
        self._enough = min(self.limits.batch, self.limits.spans)
        # From how many waiting spans on `add` looks closer: the first one starts the thread.
        self._notice = 1

    @property
    def endpoint(self) -> str:
        """Where spans go: a URL or a path."""
        return self._transport.endpoint

    @property
    def exported(self) -> int:
        """Spans that the receiver accepted."""
        return self._senders.exported

    @property
    def dropped(self) -> int:
        """Spans given up: no room, refused, or not to be encoded."""
        # What is left when all is over will not be sent; a thread that still gives up on some counts them itself.
        left = self._backlog.remaining() if self._closed else 0
        return self._dropped + self._senders.dropped + self._backlog.unencodable + left

    @property
    def failed_requests(self) -> int:
        """Attempts that were not accepted."""
        return self._receiver.failed_requests

    def observe(self, observe: Callable[[AnySpan], None] | None) -> None:
        """Show each span to this function as it comes. None ends it.

        Who measures them exports that at the exit, too: the last spans must have been shown by then.
        """
        self._observe = self._backlog.observe = observe
        self._exits.come_first()

    def add(self, span: LightSpan) -> None:
        """Take an ended light span. Never raises; when full it may pack, or wait at most 50 ms in any second.

        It is encoded at once, while all of it is in the processor's cache: a span that waits is a page that is cold.
        """
        try:
            if self._backlog.observe is not None:
                self._backlog.show(span)
            if span.rare is not None and len(span.links) > _MANY_LINKS:
                self._add_heavy(span)
                return
            light = self._light
            light.append(encode(span))
            if len(light) >= self._notice:
                self._attend()
        except Exception:  # noqa: BLE001 - the promise: our errors are not the application's
            self._errors += 1
            self._drop(1, "internal error")

    def add_readable(self, span: AnySpan) -> None:
        """Take a span of unknown size: the SDK's. Otherwise as `add`."""
        try:
            self._backlog.show(span)
            self._add_heavy(span)
        except Exception:  # noqa: BLE001 - as in add
            self._errors += 1
            self._drop(1, "internal error")

    def _add_heavy(self, span: AnySpan) -> None:
        kept = self._backlog.put_heavy(span)
        if not kept and self._relieve():
            kept = self._backlog.put_heavy(span)
        if not kept:
            self._drop(1, None)
        self._attend()

    def _attend(self) -> None:
        if len(self._light) >= self.limits.spans and not self._relieve():
            self._drop(self._backlog.drop_oldest(), None)
        wake = self._senders.wake
        if wake.is_set() and not self._closed:
            return
        if not self._senders.running or self._closed:
            self._start()
        if self._backlog.unsent() >= self.limits.batch or self._backlog.is_enough():
            wake.set()

    def _start(self) -> bool:
        if self._closed:
            self._drop(self._backlog.drop_all(), "the exporter is shut down")
            return False
        self._notice = self._enough
        self._exits.watch_children()
        try:
            self._senders.start()
        except RuntimeError:
            # The interpreter is on its way out: the flush at the exit sends from its own thread.
            return False
        return True

    def _relieve(self) -> bool:
        """Encode some of what waits, if there is somebody to take it; whether that was done."""
        if not self._receiver.answers() or not self._wait_for_room():
            return False
        self._backlog.pack(min(_HELPING, self.limits.batch))
        self._senders.help()
        return True

    def _wait_for_room(self) -> bool:
        if self._backlog.has_room():
            return True
        if _on_event_loop():
            return False
        # A bucket: it holds one wait, and fills up with the time.
        now = monotonic()
        allowance = self._allowance
        left = min(_WAIT, getattr(allowance, "left", _WAIT) + (now - getattr(allowance, "at", now)) * _WAIT_PER_SECOND)
        room = left > 0.001 and self._backlog.wait_for_room(left)
        allowance.at = monotonic()
        allowance.left = left - (allowance.at - now)
        return room

    def _drop(self, count: int, reason: str | None) -> None:
        if count:
            with self._counting:
                self._dropped += count
            self._receiver.dropping(reason)

    def flush(self, timeout_seconds: float, *, leaving: bool = False) -> bool:
        """Wait until what was added so far is exported. False if not in time, or the receiver cannot be reached.

        ``leaving`` is for the end of the process, which cannot wait for one answer after the other.
        """
        self._senders.leaving = leaving or self._senders.closing
        try:
            return self._flush(monotonic() + timeout_seconds)
        finally:
            self._senders.leaving = self._senders.closing

    def _flush(self, deadline: float) -> bool:
        if self._backlog.is_empty():
            return True
        if not (self._senders.running or self._start()):
            self._senders.drain(deadline)
        self._pack_all()
        self._senders.urgent.set()
        self._senders.asked = True
        self._senders.wake.set()
        unreachable = self._receiver.unreachable
        return self._backlog.wait(deadline, lambda: self._receiver.unreachable > unreachable)

    def _pack_all(self) -> None:
        # Senders that wait for an answer take what is encoded with their next request.
        backlog = self._backlog
        while self._receiver.answers() and backlog.has_room() and backlog.pack(self.limits.batch):
            if not self._senders.leaving:
                self._senders.help()
        while self._senders.help():
            pass

    def shutdown(self, timeout_seconds: float = 2.0) -> bool:
        """Flush, then stop for good. What is not exported in time is dropped, counted and logged: False then."""
        if self._closed:
            return True
        deadline = monotonic() + timeout_seconds
        spent = self._exits.spent
        dropped = self.dropped
        self._senders.deadline = deadline
        self._senders.closing = True
        if not self.flush(timeout_seconds) and (left := self._backlog.remaining()):
            self._receiver.tell(f"{left} spans were left at the exit, after {spent + timeout_seconds:.1f} s of waiting")
        self._closed = True
        self._notice = 1
        self._senders.abort()
        # What was broken off is counted by its own thread.
        self._backlog.wait(monotonic() + 0.05, lambda: False)
        self._exits.forget()
        return self.dropped == dropped

    def flush_at_exit(self) -> bool:
        """Flush within what is left of the time that the exit of this process may take."""
        return self._exits.flush()

    def restart_in_child(self) -> None:
        """Begin anew in a forked process: what waited is the parent's to send."""
        closed = self._closed
        self._begin()
        self._closed = closed
        self._exits.restart()


def _on_event_loop() -> bool:
    events = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None
