"""Sends: from the produce call to the delivery report."""

from __future__ import annotations

from time import time_ns
from typing import Any

from opentelemetry.context import Context

from lineage.agent import native
from lineage.agent.capture import Capture
from lineage.agent.causes import Cause, Causes, links_of
from lineage.agent.clients import Client, Topic
from lineage.agent.current import BAGGAGE_KEY, HANDLING, SPAN, SUPPRESSED, Handling, ProcessSpan, var
from lineage.agent.guard import guarded, swallow
from lineage.agent.outbound import Outbound, pairs_of
from lineage.agent.propagation import Pairs, Propagation
from lineage.agent.settings import HEADER_OFF, Settings
from lineage.agent.spans import LightSpan
from lineage.agent.tracing import Tracing, dropped, end, fail
from lineage.model import semconv
from lineage.model.headers import LINEAGE, TRACEPARENT, format_entry
from lineage.model.records import ROLE_CONTINUED

_MAX_PENDING_ERRORS_ONLY = 1000
_MAX_UNDESCRIBED = 10_000
_NO_CONTEXT = Context()
_new = LightSpan.__new__


class SendSpan(LightSpan):
    """One send. It also is the delivery callback that the client gets, called with (error, message).

    ``headers`` are to be sent; ``callback`` is the application's own; ``entry`` and ``hops`` go on to what that callback sends.
    """

    __slots__ = ("callback", "client", "entry", "headers", "hops", "outside", "propagated", "sends", "topic")

    callback: Any
    client: Client
    entry: bytes
    headers: Any
    hops: int
    outside: Context
    propagated: tuple[tuple[str, Any], ...]
    sends: Sends
    topic: Topic

    def end(self, end_time: int | None = None) -> None:
        """Nothing: a send ends with its delivery report."""

    def __call__(self, error: Any, message: Any) -> None:
        try:
            self.sends.delivered(self, error, message)
        except Exception as failure:  # noqa: BLE001  # ``guarded`` by hand, for each send comes here
            swallow(failure)
        if self.callback is not None:
            self._call_back(error, message)

    def _call_back(self, error: Any, message: Any) -> None:
        # What a callback sends is caused by the send that it reports on, whatever is being handled meanwhile.
        outer: Any = self.outside.get(HANDLING)
        base: Context = self.outside if outer is None else outer.base
        if self.hops < self.sends.max_hops:
            handling = Handling(base, self)
            token = var.set(Context({**self.outside, SPAN: self, HANDLING: handling}))
        else:
            # Who sends the next from the callback of the last would make an endless trace.
            handling = Handling(base, None, (self,), ROLE_CONTINUED)
            token = var.set(Context({**base, HANDLING: handling}))
        try:
            self.callback(error, message)
        finally:
            handling.expire()
            var.reset(token)
            self._release()

    def _release(self) -> None:
        # The span still waits to be exported, and a chain of sends from callbacks must not keep all of its contexts.
        self.outside, self.callback, self.headers = _NO_CONTEXT, None, None


_send = native.sender(SendSpan, ProcessSpan, Topic, LightSpan, (TRACEPARENT, LINEAGE))


class Sends:
    """Records sends and makes their headers."""

    def __init__(
        self, settings: Settings, tracing: Tracing, causes: Causes, propagation: Propagation, capture: Capture
    ) -> None:
        self.counts = dict.fromkeys(("sends_without_cause", "sends_queue_full", "sends_without_headers"), 0)
        self._tracing = tracing
        self._causes = causes
        self._capture = capture
        self._outbound = Outbound(propagation, lineage=settings.header != HEADER_OFF)
        self._suppressed = semconv.SEND in settings.suppressed
        self._max_links = settings.max_links
        self.max_hops = settings.max_hops
        plain = propagation.w3c and settings.header != HEADER_OFF and not (self._suppressed or capture.keys)
        self._plain = tracing.plain if plain and _send is not None else None

    def start(self, client: Client, name: str, value: Any, key: Any, headers: Any, callback: Any) -> SendSpan | None:
        """A send begins, or None if this topic or context is not traced. The caller's ``headers`` are only read."""
        topic = client.topics.get(name) or client.topic(name)
        if not topic.traced:
            return None
        context = var.get()
        if context and context.get(SUPPRESSED):
            return None
        pairs = pairs_of(headers)
        cause = self._causes.of_send(context, value, pairs)
        parent = cause.parent
        if parent is not None and not parent.span_id:
            parent = None
        elif parent is None:
            self.counts["sends_without_cause"] += 1
        sequence = next(topic.count) if pairs is not None else 0
        callback = callback if callback is not None else client.info.on_delivery
        quick = self._quick(client, topic, context, callback, value, parent, cause.event, pairs, sequence)
        span = quick or self._begin(client, topic, context, cause, parent, value, key)
        if self._is_rare(client, cause, value):
            self._describe(span, client, cause, value, pairs)
        if quick is None:
            span.callback = callback
            self._give_headers(span, parent, headers, pairs, sequence)
        if client.transaction is not None:
            client.last_send = span
        if span.sampled and not self._suppressed:
            self._await_report(span, client, context)
        else:
            # Nobody waits for its report.
            span.end_time = span.start_time
        return span

    def _quick(
        self,
        client: Client,
        topic: Topic,
        context: Context,
        callback: Any,
        value: Any,
        parent: Any,
        event: Any,
        pairs: Pairs | None,
        sequence: int,
    ) -> SendSpan | None:
        """The span of a plain send with its headers, compiled; None where that is Python's work."""
        if self._plain is None or pairs is None or BAGGAGE_KEY in context:
            return None
        span: SendSpan | None
        span = _send(self, client, topic, context, callback, value, parent, event, sequence, time_ns(), self._plain)
        if span is not None and pairs:
            span.headers = self._outbound.after(pairs, span.headers)
        return span

    def _is_rare(self, client: Client, cause: Cause, value: Any) -> bool:
        cause_is = cause.others or cause.role is not None
        return bool(cause_is or value is None or client.transaction is not None or self._capture.headers)

    def _give_headers(self, span: SendSpan, parent: Any, headers: Any, pairs: Pairs | None, sequence: int) -> None:
        if self._suppressed:
            self._pass_through(span, parent)
        span.headers = headers if pairs is None else self._outbound.headers(span, sequence, pairs)

    def _begin(
        self, client: Client, topic: Topic, context: Context, cause: Cause, parent: Any, value: Any, key: Any
    ) -> SendSpan:
        span = _new(SendSpan)
        self._tracing.begin(span, topic.template, parent, context, time_ns())
        span.partition = span.offset = span.timestamp = None
        span.key = self._capture.key(key) if key is not None and self._capture.keys else None
        span.size = len(value) if value.__class__ is bytes else _text_size(value)
        span.sends, span.client, span.topic, span.outside = self, client, topic, context
        event = cause.event
        if event is None:
            span.hops, span.propagated = 0, ()
            span.entry = format_entry(topic.place, span.start_time // 1_000_000)
        else:
            span.hops, span.entry, span.propagated = event.hops + 1, event.entry, event.propagated
        return span

    def _await_report(self, span: SendSpan, client: Client, context: Context) -> None:
        self._tracing.started(span, context)
        client.pending[span.span_id] = span
        if client.info.errors_only and len(client.pending) > _MAX_PENDING_ERRORS_ONLY:
            # Most of these never hear of their delivery.
            self.give_up(client, _MAX_PENDING_ERRORS_ONLY)

    def delivered(self, span: SendSpan, error: Any, message: Any) -> None:
        """The delivery report: ``error`` is a KafkaError or None, ``message`` says where the record lies."""
        client = span.client
        client.pending.pop(span.span_id, None)
        if span.end_time or not span.sampled:
            return
        if error is not None:
            fail(span, error.name(), error.str())
        if message is not None:
            partition, offset = message.partition(), message.offset()
            span.partition = partition if partition is not None and partition >= 0 else None
            span.offset = offset if offset is not None and offset >= 0 and error is None else None
        span.stop()
        if client.serving and client.cluster is None and len(client.undescribed) < _MAX_UNDESCRIBED:
            client.undescribed.append(span)
        else:
            span.template = span.topic.template
            span.finish(span)

    def described(self, client: Client) -> None:
        """The client has said what its cluster is, or cannot: sends that waited for it go out."""
        waiting = client.undescribed
        while waiting:
            try:
                span = waiting.popleft()
            except IndexError:  # another thread was quicker
                return
            span.template = span.topic.template
            span.finish(span)

    @guarded
    def refused(self, span: SendSpan, error: BaseException) -> None:
        """The produce call raised: an error span, but only counted if the queue is full, as callers then try again."""
        span.client.pending.pop(span.span_id, None)
        if isinstance(error, BufferError):
            self.counts["sends_queue_full"] += 1
            span.topic.refused += 1
            self._tracing.discard(span)
            return
        fail(span, error_type(error), str(error))
        end(span)

    @guarded
    def without_headers(self, span: SendSpan, error: BaseException) -> bool:
        """Whether to try again with the caller's own headers: ours may have made the message too large."""
        if span.headers is None or error_type(error) != "MSG_SIZE_TOO_LARGE":
            return False
        self.counts["sends_without_headers"] += 1
        return True

    def give_up(self, client: Client, keep: int = 0) -> None:
        """End a client's oldest pending sends, but ``keep``: nobody will report on them."""
        pending = client.pending
        for span_id in list(pending)[: len(pending) - keep]:
            if (span := pending.get(span_id)) is not None:
                self.unreported(span)

    @guarded
    def unreported(self, span: SendSpan) -> None:
        """Nobody will report on this send."""
        if span.client.pending.pop(span.span_id, None) is not None:
            span.extra = {**(span.extra or {}), semconv.DELIVERY: semconv.OUTCOME_UNKNOWN}
            end(span)

    def _describe(self, span: SendSpan, client: Client, cause: Cause, value: Any, pairs: Pairs | None) -> None:
        """The rare: links, transaction, tombstone, captured headers."""
        if client.transaction is not None:
            span.extra = {**(span.extra or {}), **client.transaction}
        if value is None:
            span.extra = {**(span.extra or {}), semconv.TOMBSTONE: True}
        if cause.others or cause.role is not None:
            span.links, extra = links_of(cause, self._max_links)
            if cause.role is not None:
                # What is only possible hands no headers on.
                span.propagated = ()
            span.extra = {**(span.extra or {}), **extra}
        if self._capture.headers and pairs:
            span.extra = {**(span.extra or {}), **self._capture.attributes(pairs)}

    def _pass_through(self, span: SendSpan, parent: Any) -> None:
        """Not recorded: whoever receives the message continues from our parent."""
        span.finish = dropped
        span.span_id = parent.span_id if parent is not None else b""


def _text_size(value: Any) -> int | None:
    return len(value.encode("utf-8", "replace")) if isinstance(value, str) else None


def error_type(error: BaseException) -> str:
    """A KafkaException's error name, or the exception's type."""
    cause = error.args[0] if error.args else None
    name = getattr(cause, "name", None)
    return str(name()) if callable(name) else type(error).__qualname__
