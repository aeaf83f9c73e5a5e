"""The threads that send. One is always there; more start while a slow receiver keeps it waiting."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic, sleep
from typing import NamedTuple, Protocol

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value

from lineage.agent.export import exits
from lineage.agent.export.backlog import Backlog
from lineage.agent.export.packed import Chunk, Part
from lineage.agent.export.receiver import Receiver
from lineage.agent.export.sdk import request_parts


class Answer(NamedTuple):
    """What became of a request. `pause` (seconds) is what the receiver asked for before the next attempt."""

    ok: bool
    error: str = ""
    retry: bool = False
    reached: bool = True
    pause: float | None = None


class Connection(Protocol):
    """One thread's way to the receiver."""

    def send(self, parts: list[Part], deadline: float) -> Answer:
        """Send one request, given in pieces, until the deadline (monotonic seconds). Never raises."""
        ...

    def abort(self) -> None:
        """End a request that another thread waits for."""
        ...


class Transport(Protocol):
    """Where spans go."""

    @property
    def endpoint(self) -> str:
        """A URL or path, for people."""
        ...

    @property
    def largest(self) -> int:
        """The size of a request (bytes) that receivers accept."""
        ...

    @property
    def connections(self) -> int:
        """How many requests may be under way at a time."""
        ...

    @property
    def timeout(self) -> float:
        """The limit for one request (seconds)."""
        ...

    def load(self) -> None:
        """Import what connections need: not at the start of the application, nor in the middle of a fork."""
        ...

    def connect(self) -> Connection:
        """Make a connection, opened when it is first used."""
        ...


class Senders:
    """Takes chunks from the backlog to the receiver, until it is closed."""

    def __init__(self, backlog: Backlog, receiver: Receiver, transport: Transport, resource: bytes) -> None:
        self.backlog, self.receiver, self.transport = backlog, receiver, transport
        self.exported = 0
        self.dropped = 0
        self.wake = Event()
        self.urgent = Event()
        self.leaving = False
        self.closing = False
        self.deadline = float("inf")
        self._resource = resource
        self._lock = Lock()
        self._main: Thread | None = None
        self._extra = 0
        self._busy = 0
        self._late = False
        # Somebody waits for what is here now: the next look of the thread takes it.
        self.asked = False
        self._connections: set[Connection] = set()

    def start(self) -> None:
        """Start the thread. Raises RuntimeError where the interpreter allows no threads any more."""
        with self._lock:
            if not self.running:
                thread = Thread(target=self._run, args=(self._main_loop,), name="lineage-export", daemon=True)
                thread.start()
                self._main = thread

    @property
    def running(self) -> bool:
        """Whether the thread is there."""
        return self._main is not None and self._main.is_alive()

    def help(self) -> bool:
        """Start one more thread if all wait for the receiver and another request is ready; whether that was done."""
        limits = self.backlog.limits
        idle = self._extra + 1 - self._busy
        most = min(limits.senders, self.transport.connections)
        if self.leaving:
            # There is no time to wait for those that wait for an answer.
            most = 2 * most if most > 1 else 1
            if self.backlog.waiting_requests(*self._largest()) <= idle:
                return False
        elif idle > 0 or self.backlog.waiting_size() < limits.request_size // 2:
            return False
        with self._lock:
            if self._extra >= most - 1:
                return False
            self._extra += 1
        try:
            Thread(target=self._run, args=(self._extra_loop,), name="lineage-export-more", daemon=True).start()
        except RuntimeError:
            # The interpreter is on its way out, or the system has no more threads.
            self._extra -= 1
            return False
        return True

    def drain(self, deadline: float) -> None:
        """Send everything from the calling thread: for exits at which no thread can start any more."""
        self.deadline = min(self.deadline, deadline)
        self._run(self._drain_loop)

    def abort(self) -> None:
        """Break off what is under way."""
        for connection in list(self._connections):
            connection.abort()

    def _run(self, loop: Callable[[Connection], None]) -> None:
        # Our own requests are nobody's spans.
        with exits.no_fork():
            # A child would wait for ever for an import that only its parent's thread could finish.
            self.transport.load()
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        connection = self.transport.connect()
        self._connections.add(connection)
        try:
            loop(connection)
        finally:
            self._connections.discard(connection)
            connection.abort()
            detach(token)

    def _main_loop(self, connection: Connection) -> None:
        while not self.closing or not (self.backlog.is_empty() or monotonic() > self.deadline):
            if not self._send_next(connection):
                self._rest()

    def _rest(self) -> None:
        self.urgent.clear()
        # While closing, the last chunks are with other threads: they may come back soon.
        self._late = not self.wake.wait(0.01 if self.closing else self.backlog.limits.delay)
        self.wake.clear()
        if self.asked:
            self.asked, self._late = False, True

    def _drain_loop(self, connection: Connection) -> None:
        while monotonic() < self.deadline and self._send_next(connection):
            pass

    def _extra_loop(self, connection: Connection) -> None:
        try:
            while not self._is_over() and (chunk := self._next()) is not None:
                self._deliver(connection, chunk)
        finally:
            with self._lock:
                self._extra -= 1

    def _send_next(self, connection: Connection) -> bool:
        chunk = self._next()
        if chunk is None and self._is_due() and self.backlog.pack(self.backlog.limits.batch):
            chunk = self._next()
        self._late = False
        if chunk is None:
            return False
        self._deliver(connection, chunk)
        return True

    def _is_due(self) -> bool:
        """Whether to send what waits: enough of it, long enough, or somebody waits for it.

        Many small requests cost the application dearly: each time that this thread wants the interpreter, an application that polls
        has to wake it at each poll, until the interpreter makes it give way after 5 ms.
        """
        return self._late or self.closing or self.urgent.is_set() or self.backlog.is_enough()

    def _next(self) -> Chunk | None:
        return self.backlog.next_chunk(*self._largest())

    def _largest(self) -> tuple[int, int]:
        """How many spans and bytes a request may have: more for a receiver that takes its time, and at the exit."""
        limits = self.backlog.limits
        if self.leaving or self.receiver.latency > 0.2:
            return limits.batch * 8, self.transport.largest
        return limits.batch, limits.request_size

    def _deliver(self, connection: Connection, chunk: Chunk) -> None:
        parts = request_parts(self._resource, chunk.scopes)
        with self._lock:
            self._busy += 1
        try:
            while not self._accepted(connection, chunk, parts):
                pass
        finally:
            with self._lock:
                self._busy -= 1
            self.backlog.done(chunk)

    def _accepted(self, connection: Connection, chunk: Chunk, parts: list[Part]) -> bool:
        """Send once; whether that settled it, for better or worse."""
        self.receiver.asked()
        answer = connection.send(parts, min(self.deadline, monotonic() + self.transport.timeout))
        if answer.ok:
            self.receiver.answered()
            self.receiver.accepted()
            self._count(exported=chunk.count)
            return True
        self.receiver.failed(answer.error, answer.reached)
        if answer.retry and self._pause(answer):
            return False
        self._count(dropped=chunk.count)
        return True

    def _pause(self, answer: Answer) -> bool:
        """Wait for the next attempt; False if there is to be none."""
        until = monotonic() + self.receiver.pause(answer.pause)
        while (left := until - monotonic()) > 0:
            if self.closing and (not answer.reached or until > self.deadline):
                return False
            if self.urgent.is_set():
                # Somebody waits for the result: soon, but not at once, nor before the receiver wants it.
                until = until if answer.pause is not None else min(until, monotonic() + 0.1)
                sleep(min(left, 0.05))
            else:
                self.urgent.wait(min(left, 0.25))
                self._save_from_overflow()
        return not self._is_over()

    def _is_over(self) -> bool:
        return self.closing and monotonic() > self.deadline

    def _save_from_overflow(self) -> None:
        # A short outage need not cost spans: encoded they take less room, up to the limit.
        backlog = self.backlog
        if len(backlog.light) >= backlog.limits.batch and backlog.has_room():
            backlog.pack(backlog.limits.batch)

    def _count(self, exported: int = 0, dropped: int = 0) -> None:
        with self._lock:
            self.exported += exported
            self.dropped += dropped
