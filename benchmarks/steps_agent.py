"""The agent without Kafka clients: a recorder with one producer and one consumer, driven by hand as patches drive it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

import lineage
from lineage.agent.clients import ClientInfo
from lineage.agent.export.encode import encode
from lineage.agent.export.exporter import Exporter
from lineage.agent.export.sender import Answer
from lineage.agent.receives import Received
from lineage.agent.recorder import Recorder, switch
from lineage.agent.settings import Settings

_VALUE = b"x" * 200
# As many as an exporter has: it encodes 512 at a time.
_QUEUE = 512
_CLUSTER = "AAAAAAAAAAAAAAAAAAAAAQ"


class _Message:
    """What a delivery report says, and what a consumer returns."""

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 77


class Agent:
    """A recorder for these settings; `ratio` is what is sampled. The last ended spans stay in `ended`."""

    def __init__(self, ratio: float = 1.0, exclude: str = "") -> None:
        self._ratio = ratio
        self.ended: deque[Any] = deque(maxlen=_QUEUE)
        settings = Settings.from_env({"LINEAGE_TOPICS_EXCLUDE": exclude})
        self.recorder = Recorder(settings, TracerProvider(sampler=ParentBasedTraceIdRatio(ratio)), self)
        self._producer = self._client("send")
        self._consumer = self._client("process")
        self._report = _Message()
        self.encode = encode

    def _client(self, operation: str) -> Any:
        client = self.recorder.client(object(), operation, ClientInfo("app", "group", "broker:9092"))
        client.know_cluster(_CLUSTER)
        return client

    def add(self, span: Any) -> None:
        """Take the place of the exporter."""
        self.ended.append(span)

    def send(self, headers: Any = None) -> Any:
        """Start a send of 200 bytes."""
        return self.recorder.sends.start(self._producer, "orders", _VALUE, None, headers, None)

    def report(self, span: Any) -> None:
        """The delivery report of a send."""
        span(None, self._report)

    def next_request(self, _: object = None) -> None:
        """The consumer is asked for more."""
        self.recorder.receives.next_request(self._consumer)

    def receive(self, received: Any) -> None:
        """Take one message and ask for the next."""
        self.recorder.receives.one(self._consumer, received)
        self.recorder.receives.next_request(self._consumer)

    def receive_batch(self, batch: list[Any]) -> None:
        """Take several messages and ask for the next."""
        self.recorder.receives.batch(self._consumer, [each.message for each in batch], batch)
        self.recorder.receives.next_request(self._consumer)

    def started(self, count: int) -> list[Any]:
        """Sends that wait for their reports."""
        return [self.send() for _ in range(count)]

    def messages(self, count: int, *, context: bool = True) -> list[Any]:
        """What a consumer gets: each value is an object of its own, as those that come out of a client are.

        The headers are those that a send with the same sampling has.
        """
        headers = [send.headers for send in Agent(self._ratio).started(count)] if context else [None] * count
        return [_received(offset, pairs) for offset, pairs in enumerate(headers)]

    def ended_sends(self, count: int) -> list[Any]:
        """Spans of reported sends."""
        self.ended = deque(maxlen=count)
        for span in self.started(count):
            self.report(span)
        return [*self.ended]

    def ended_receives(self, count: int) -> list[Any]:
        """Spans of handled messages."""
        self.ended = deque(maxlen=count)
        for message in self.messages(count):
            self.receive(message)
        return [*self.ended]

    def state(self) -> Any:
        """A mapping of the application's as a state store, for the message that is being handled from now on."""
        switch.recorder = self.recorder
        self.recorder.receives.one(self._consumer, self.messages(1)[0])
        return lineage.state("totals")

    def exporter(self) -> tuple[Callable[[Any], None], Callable[[], bool]]:
        """An exporter to nowhere: how to give it a span, and how to wait until it has handed all of them over."""
        exporter = Exporter(Resource({"service.name": "bench"}), _Nowhere())
        return exporter.add, lambda: exporter.flush(10)


def _received(offset: int, pairs: Any) -> Received:
    headers = pairs and [(name, bytes(bytearray(value))) for name, value in pairs]
    return Received(_Message(), "orders", 3, offset, None, bytes(bytearray(_VALUE)), headers, 1_700_000_000_000)


class _Nowhere:
    """A transport whose receiver has already answered."""

    endpoint, largest, connections, timeout = "nowhere", 4 << 20, 8, 10.0

    def load(self) -> None:
        """Import nothing."""

    def connect(self) -> _Nowhere:
        """Be the connection, too."""
        return self

    def send(self, parts: list[Any], deadline: float) -> Answer:
        """Take a request."""
        return Answer(ok=True)

    def abort(self) -> None:
        """End nothing."""
