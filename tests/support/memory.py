"""A recorder whose spans end up in a list, and messages made by hand: what unit tests of the agent stand on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider

from lineage.agent import recorder
from lineage.agent.clients import ClientInfo
from lineage.agent.current import var
from lineage.agent.receives import Received
from lineage.agent.settings import Settings

offsets = count(1)


class Exported(list):
    """The exporter: a list."""

    add = list.append


class Message:
    """What delivery reports and consumers give, as far as the agent looks at it."""

    def __init__(self, topic: str = "orders", value: Any = ..., headers: Any = None, partition: int = 0):
        self.record = topic, partition, next(offsets)
        self.content, self.pairs = (b"value %d" % self.offset() if value is ... else value), headers

    def topic(self) -> str:
        return self.record[0]

    def partition(self) -> int:
        return self.record[1]

    def offset(self) -> int:
        return self.record[2]


class Problem:
    """A KafkaError."""

    def name(self) -> str:
        return "_MSG_TIMED_OUT"

    def str(self) -> str:
        return "timed out"


class World:
    """One process: a recorder, a producer and a consumer."""

    def __init__(self, provider: TracerProvider | None = None, **settings: Any):
        self.spans = Exported()
        self.recorder = recorder.Recorder(Settings(**settings), provider or TracerProvider(), self.spans)
        recorder.switch.recorder = self.recorder
        self.instances: list[object] = []
        self.producer = self.client("send")
        self.consumer = self.client("process", group="readers")

    def client(self, operation: str, **info: Any) -> Any:
        self.instances.append(object())
        return self.recorder.client(self.instances[-1], operation, ClientInfo(servers="kafka:9092", **info))

    def send(self, value: Any = b"sent", headers: Any = None, topic: str = "orders", **more: Any) -> Any:
        """Begin a send."""
        key, callback = more.get("key"), more.get("callback")
        return self.recorder.sends.start(more.get("client", self.producer), topic, value, key, headers, callback)

    def sent(self, *args: Any, **more: Any) -> Any:
        """Send, and have it delivered."""
        span = self.send(*args, **more)
        span(None, Message())
        return span

    def receive(self, headers: Any = None, value: Any = ..., consumer: Any = None, **more: Any) -> Message:
        """Ask for a message and get this one."""
        consumer = consumer or self.consumer
        message = Message(more.get("topic", "orders"), value, headers)
        self.recorder.receives.next_request(consumer)
        self.recorder.receives.one(consumer, facts(message, more.get("key"), more.get("timestamp", 1_700_000_000_000)))
        return message

    def consume(self, *messages: Message | None) -> list[Any]:
        """Ask for a batch and get these; None is an error event."""
        self.recorder.receives.next_request(self.consumer)
        given = [message or object() for message in messages]
        return self.recorder.receives.batch(self.consumer, given, [m and facts(m) for m in messages])

    def ask(self, consumer: Any = None) -> None:
        """Ask for the next message: none comes."""
        self.recorder.receives.next_request(consumer or self.consumer)

    @property
    def open(self) -> Any:
        return self.consumer.open


def facts(message: Message, key: Any = None, timestamp: int | None = 1_700_000_000_000) -> Received:
    return Received(message, *message.record, key, message.content, message.pairs, timestamp)


@contextmanager
def clean() -> Iterator[None]:
    """Nothing is current before, and nothing is left behind."""
    token = var.set(Context())
    try:
        yield
    finally:
        recorder.switch.recorder = None
        var.reset(token)


def trace_id(number: int) -> bytes:
    """An id as spans have it."""
    return number.to_bytes(16, "big")


def span_id(number: int) -> bytes:
    """An id as spans have it."""
    return number.to_bytes(8, "big")


def traceparent(trace: int, span: int, sampled: bool = True) -> bytes:
    """The header that names this span, as W3C writes it."""
    return b"00-%032x-%016x-%02x" % (trace, span, sampled)


def copied(headers: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The headers as they arrive: equal, but other objects."""
    return [(name, bytes(bytearray(value))) for name, value in headers]
