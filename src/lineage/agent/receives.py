"""Receives: from a message's arrival to the request for the next one."""

from __future__ import annotations

from collections.abc import Iterable
from time import time_ns
from typing import Any, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, TraceFlags

from lineage.agent.batch import Batch, Round
from lineage.agent.capture import Capture
from lineage.agent.clients import Client
from lineage.agent.current import HANDLING, SPAN, SUPPRESSED, ProcessSpan, hide, var
from lineage.agent.evidence import Evidence
from lineage.agent.propagation import Propagation
from lineage.agent.settings import Settings
from lineage.agent.spans import LightSpan
from lineage.agent.tracing import Tracing, dropped
from lineage.model import semconv
from lineage.model.headers import LINEAGE, format_entry, parse_lineage, parse_progress
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
        if not topic.traced or base.get(SUPPRESSED):
            return None
        next(topic.count)
        headers = received.headers
        found = {name: value for name, value in headers if name in self._wanted} if headers else {}
        parent, baggage = self._propagation.extract(headers, found) if found else (None, None)
        span = ProcessSpan.__new__(ProcessSpan)
        span.base, span.baggage, span.closed, span.home, span.marker = base, baggage, False, 0, None
        span.partition, span.offset, span.timestamp = received.partition, received.offset, received.timestamp
        span.size = len(received.value) if received.value.__class__ is bytes else None
        span.key = self._capture.key(received.key) if self._capture.keys else None
        span.propagated = self._capture.propagated(headers) if self._capture.propagates else ()
        parent, continued = self._inherit(span, client, received, found.get(LINEAGE), parent)
        self._tracing.begin(span, topic.template, parent, base)
        self._describe(span, received, base, continued)
        if self._suppressed:
            span.finish = dropped
            span.span_id = parent.span_id if parent is not None else 0
        else:
            self._tracing.started(span, base)
        self._evidence.remember(span, received.message, received.value, headers, found)
        return span

    def _inherit(
        self, span: ProcessSpan, client: Client, received: Received, ours: Any, parent: SpanRef | None
    ) -> tuple[SpanRef | None, SpanRef | None]:
        """Where the event entered; returns (parent, None), or (None, the context of an older trace that is not continued)."""
        said = parse_progress(ours)
        if said is not None:
            span.hops, span.entry, entered = said
            if parent is None and (named := parse_lineage(ours)):
                # Somebody dropped the trace context and kept our header.
                parent = named.span
            if span.hops < self._max_hops and time_ns() // 1_000_000 - entered < self._max_age_ms:
                return parent, None
        now = received.timestamp or time_ns() // 1_000_000
        span.hops, span.entry = 0, format_entry(client.topics[received.topic].place, now)
        if said is not None:
            return None, parent
        if parent is None:
            self.counts["receives_without_context"] += 1
        return parent, None

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
    context = SpanContext(parent.trace_id, parent.span_id, True, TraceFlags(parent.sampled))
    span.links = [*(span.links or ()), Link(context, {semconv.ROLE: role})]
