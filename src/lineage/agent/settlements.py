"""Client calls that are no message: the end of a transaction, and, for who asks for them, commits and polls."""

from __future__ import annotations

from time import time_ns
from typing import Any

from opentelemetry.trace import Link, SpanKind

from lineage.agent.causes import Causes, links_of
from lineage.agent.clients import Client
from lineage.agent.current import SUPPRESSED, var
from lineage.agent.guard import guarded
from lineage.agent.sends import error_type
from lineage.agent.settings import Settings
from lineage.agent.spans import LightSpan
from lineage.agent.tracing import Tracing, end, fail
from lineage.model import semconv


class Settlements:
    """Records client calls as spans of kind CLIENT."""

    def __init__(self, settings: Settings, tracing: Tracing, causes: Causes) -> None:
        self._tracing = tracing
        self._causes = causes
        self._max_links = settings.max_links
        suppressed = settings.suppressed
        self.transactions = semconv.TRANSACTION_KIND not in suppressed
        self.commits = semconv.COMMIT not in suppressed
        self.polls = semconv.POLL not in suppressed

    @guarded
    def begin_transaction(self, client: Client) -> None:
        """From now on the producer's sends name this transaction."""
        name = f"{client.info.transactional_id or client.instance}-{next(client.transactions)}"
        client.transaction = {semconv.TRANSACTION: name}
        client.last_send = None

    @guarded
    def start(self, client: Client, operation: str, destination: str | None) -> LightSpan | None:
        """A client call begins; its parent is what is being handled, or else the transaction's last send."""
        context = var.get()
        if context.get(SUPPRESSED):
            return None
        cause = self._causes.of_context(context)
        parent = cause.parent if cause.parent is not None else client.last_send
        span = LightSpan()
        template = client.template(operation, destination, SpanKind.CLIENT)
        self._tracing.begin(
            span, template, parent if parent is not None and parent.span_id else None, context, time_ns()
        )
        if cause.others:
            span.links, extra = links_of(cause, self._max_links)
            span.extra = {**(span.extra or {}), **extra}
        if client.transaction is not None:
            span.extra = {**(span.extra or {}), **client.transaction}
        self._tracing.started(span, context)
        return span

    @guarded
    def end(self, span: LightSpan | None, error: BaseException | None) -> None:
        """The call returned or raised; None is a call that is not recorded."""
        if span is None:
            return
        if error is not None:
            fail(span, error_type(error), str(error))
        end(span)

    @guarded
    def polled(self, client: Client, topic: str, started: int, messages: list[Any]) -> None:
        """A poll or consume that began at ``started`` (ns) returned these messages' process spans; it links to their sends."""
        span = self.start(client, semconv.POLL, topic)
        if span is None:
            return
        span.start_time = started
        span.links = [Link(message.parent) for message in messages[: self._max_links] if message.parent_id]
        span.extra = {**(span.extra or {}), semconv.BATCH_COUNT: len(messages)}
        end(span)
