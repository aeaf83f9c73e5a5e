"""Receives: from a message's arrival to the request for the next one."""

from __future__ import annotations

from collections.abc import Iterable
from time import time_ns
from typing import Any, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import Link

from lineage.agent import native
from lineage.agent.batch import Batch, Round
from lineage.agent.capture import Capture
from lineage.agent.clients import Client, Topic
from lineage.agent.current import HANDLING, SPAN, SUPPRESSED, ProcessSpan, hide, var
from lineage.agent.evidence import Evidence
from lineage.agent.propagation import Propagation
from lineage.agent.settings import Settings
from lineage.agent.spans import LightSpan, context_of
from lineage.agent.tracing import Tracing, dropped
from lineage.model import semconv
from lineage.model.headers import (
    BAGGAGE,
    LINEAGE,
    TRACEPARENT,
    TRACESTATE,
    format_entry,
    parse_lineage,
    parse_progress,
)
from lineage.model.records import ROLE_CONTINUED, ROLE_ENCLOSING, SpanRef


class Received(NamedTuple):
    """A consumed message as its library gave it: ``timestamp`` in ms or None, ``deliveries`` only from share groups."""

    message: Any
    topic: str
    partition: int
    offset: int
    key: Any
    value: Any
    headers: Any
    timestamp: int | None
    deliveries: int | None = None


_NOTHING: dict[Any, Any] = {}
_NO_CONTEXT = None, None
_new = ProcessSpan.__new__
_receive = native.receiver(ProcessSpan, Topic, (TRACEPARENT, LINEAGE), (TRACESTATE, BAGGAGE))


class Receives:
    """Records the handling of messages and makes them current."""

    def __init__(
        self, settings: Settings, tracing: Tracing, propagation: Propagation, evidence: Evidence, capture: Capture
    ) -> None:
        self.counts = {"receives_without_context": 0}
        self._tracing = tracing
        self._propagation = propagation
        self._evidence = evidence
        self._capture = capture
        self._wanted = propagation.wanted
        self._max_hops = settings.max_hops
        self._max_age_ms = int(settings.max_age * 1000)
        self._suppressed = semconv.PROCESS in settings.suppressed
        plain = propagation.w3c and not (self._suppressed or capture.keys or capture.headers or capture.propagates)
        self._plain = tracing.plain if plain and _receive is not None else None

    def next_request(self, client: Client) -> None:
        """The consumer is asked for more: what it gave before has been handled."""
        handled, client.open = client.open, None
        if handled is not None:
            handled.close()
        hide()

    def closed(self, client: Client) -> None:
        """The consumer gives no more: what it gave has been handled. Another consumer's message stays current."""
        handled, client.open = client.open, None
        if handled is not None:
            handled.close()
        current: Any = var.get().get(HANDLING)
        if current is not None and current.end_time:
            hide()

    def one(self, client: Client, received: Received) -> None:
        """A single message: it is current from now on."""
        base = var.get()
        if base:
            base = hide()
        span = self._process(client, received, base)
        if span is not None:
            client.open = span
            span.enter()

    def batch(self, client: Client, messages: list[Any], received: Iterable[Received | None]) -> list[Any]:
        """Several at once: the list to give to the application. None stands for what is no message (an error event)."""
        base = hide()
        spans = [(entry and self._process(client, entry, base)) for entry in received]
        if not any(spans):
            return messages
        round_ = client.open = Round(base, zip(messages, spans, strict=True))
        round_.enter()
        return Batch(messages, round_)

    def _process(self, client: Client, received: Received, base: Context) -> ProcessSpan | None:
        topic = client.topics.get(received.topic) or client.topic(received.topic)
        if not topic.traced or (base and base.get(SUPPRESSED)):
            return None
        next(topic.count)
        now = time_ns()
        quick = self._quick(received, topic, base, now) if self._plain is not None and not base else None
        return quick or self._begin(received, topic, base, now)

    def _quick(self, received: Received, topic: Topic, base: Context, now: int) -> ProcessSpan | None:
        """The span of a plain message, compiled; None where that is Python's work."""
        span: ProcessSpan | None
        span = _receive(received, base, topic, now, self._max_hops, self._max_age_ms, self._plain)
        if span is None:
            return None
        if not span.parent_id:
            self.counts["receives_without_context"] += 1
        self._tracing.started(span, base)
        if span.sampled or self._evidence.asked:
            named = 2 if span.parent_id else 0
            self._evidence.keep(span, received.message, received.value, received.headers, named)
        return span

    def _begin(self, received: Received, topic: Topic, base: Context, now: int) -> ProcessSpan:
        message, _, partition, offset, key, value, headers, timestamp, deliveries = received
        found = {name: value for name, value in headers if name in self._wanted} if headers else _NOTHING
        parent, baggage = self._propagation.extract(headers, found) if found else _NO_CONTEXT
        span = _new(ProcessSpan)
        span.base, span.baggage, span.closed, span.home, span.marker = base, baggage, False, 0, None
        span.partition, span.offset, span.timestamp = partition, offset, timestamp
        span.size = len(value) if value.__class__ is bytes else None
        span.key = self._capture.key(key) if key is not None and self._capture.keys else None
        span.propagated = self._capture.propagated(headers) if self._capture.propagates else ()
        ours = found.get(LINEAGE)
        if parent is None and ours is not None and (named := parse_lineage(ours)):
            # Somebody dropped the trace context and kept our header.
            parent = named.span
        continued: SpanRef | None = None
        if not self._inherit(span, topic, ours, now):
            parent, continued = None, parent
        if parent is None and continued is None:
            self.counts["receives_without_context"] += 1
        self._tracing.begin(span, topic.template, parent, base, now)
        rare = base or continued is not None or deliveries is not None or self._capture.headers
        if rare or value is None:
            self._describe(span, received, base, continued)
        if self._suppressed:
            span.finish = dropped
            span.span_id = parent.span_id if parent is not None else b""
        else:
            self._tracing.started(span, base)
        self._evidence.remember(span, message, value, headers, found)
        return span

    def _inherit(self, span: ProcessSpan, topic: Topic, ours: Any, now: int) -> bool:
        """Where the event entered; whether its trace goes on: not if it grew too long or too old."""
        said = parse_progress(ours) if ours is not None else None
        if said is not None:
            span.hops, span.entry, entered = said
            if span.hops < self._max_hops and now // 1_000_000 - entered < self._max_age_ms:
                return True
        span.hops, span.entry = 0, format_entry(topic.place, span.timestamp or now // 1_000_000)
        return said is None

    def _describe(self, span: ProcessSpan, received: Received, base: Context, continued: SpanRef | None) -> None:
        """The rare: links to what is no parent, tombstones, captured headers, redeliveries."""
        if continued is not None:
            _link(span, continued, ROLE_CONTINUED)
        enclosing: Any = base.get(SPAN)
        if enclosing is not None and enclosing.get_span_context().is_valid:
            span.links = [*(span.links or ()), Link(enclosing.get_span_context(), {semconv.ROLE: ROLE_ENCLOSING})]
        extra: dict[str, Any] = {}
        if received.value is None:
            extra[semconv.TOMBSTONE] = True
        if received.deliveries is not None:
            extra[semconv.DELIVERY_COUNT] = received.deliveries
        if self._capture.headers:
            extra.update(self._capture.attributes(received.headers))
        if extra:
            span.extra = {**(span.extra or {}), **extra}


def _link(span: LightSpan, parent: SpanRef, role: str) -> None:
    span.links = [*(span.links or ()), Link(context_of(parent, remote=True), {semconv.ROLE: role})]
