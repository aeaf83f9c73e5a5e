"""What every span needs: ids, a sampling decision, and somewhere to go when it has ended."""

from __future__ import annotations

import os
from random import Random
from time import time_ns
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

from lineage.agent.guard import guarded
from lineage.agent.sampling import Sampling
from lineage.agent.spans import LightSpan, Template, readable
from lineage.model import semconv


class Tracing:
    """Starts and finishes light spans by a provider's sampler, id generator, resource and processors.

    ``exporter`` takes ended spans as they are; None if there are only processors.
    """

    def __init__(self, provider: TracerProvider, exporter: Any, *, record_unsampled: bool) -> None:
        self.sampling = Sampling(provider.sampler, record_unsampled=record_unsampled)
        self.resource = provider.resource
        # An own generator: the application may have seeded the shared one, and counts on its numbers.
        self.random = Random(os.urandom(16))
        self._ids = None if type(provider.id_generator) is RandomIdGenerator else provider.id_generator
        self._exporter = exporter
        self._multi = provider._active_span_processor
        self._seen: Any = None
        self._others: tuple[SpanProcessor, ...] = ()
        self._finish = self.finish

    def reseed(self) -> None:
        """A forked child must not repeat its parent's ids."""
        self.random.seed(os.urandom(16))

    def begin(self, span: LightSpan, template: Template, parent: Any, context: Context) -> None:
        """Fill in a new span's identity and what is common to all; ``parent`` is None for a root."""
        span.template = template
        span.end_time = 0
        span.start_time = time_ns()
        ids = self._ids
        span.span_id = self.random.getrandbits(64) or 1 if ids is None else ids.generate_span_id()
        if parent is None:
            trace_id = self.random.getrandbits(128) or 1 if ids is None else ids.generate_trace_id()
            span.parent_id, span.state = 0, None
        else:
            trace_id = parent.trace_id
            span.parent_id, span.state = parent.span_id, parent.state
        span.trace_id = trace_id
        if self.sampling.other is None:
            span.sampled = self.sampling.decide(parent, trace_id)
        else:
            span.sampled, span.extra, span.state = self.sampling.ask(_under(parent, context), trace_id, template)
        span.finish = self._finish

    def started(self, span: LightSpan, context: Context) -> None:
        """Tell the processors that users added, once the span has its attributes."""
        if span.sampled and (processors := self.processors()):
            span.resource = self.resource
            for processor in processors:
                _tell(processor.on_start, span, context)

    def finish(self, span: LightSpan) -> None:
        """An ended span goes to the exporter and to the processors that users added."""
        if not span.sampled:
            return
        if self._exporter is not None:
            self._exporter.add(span)
        if self.processors():
            self._tell_end(span)

    def discard(self, span: LightSpan) -> None:
        """A started span is not to be exported after all: processors see it end unsampled, and forget it."""
        if span.sampled:
            span.sampled, span.end_time = False, time_ns()
            self._tell_end(span)

    def _tell_end(self, span: LightSpan) -> None:
        ended = readable(span, self.resource)
        for processor in self.processors():
            _tell(processor.on_end, ended)

    def processors(self) -> tuple[SpanProcessor, ...]:
        """The provider's processors but our exporter's own."""
        processors = self._multi._span_processors
        if processors is not self._seen:
            self._seen = processors
            self._others = tuple(p for p in processors if getattr(p, "exporter", self) is not self._exporter)
        return self._others


@guarded
def _tell(method: Any, *args: Any) -> None:
    method(*args)


def _under(parent: Any, context: Context) -> Context:
    """The context that a sampler is to see: with this parent as the current span."""
    current = get_current_span(context)
    if parent is None:
        return set_span_in_context(INVALID_SPAN, context)
    if current.get_span_context().span_id == parent.span_id:
        return context
    remote = not isinstance(parent, LightSpan)
    named = SpanContext(parent.trace_id, parent.span_id, remote, TraceFlags(parent.sampled), parent.state)
    return set_span_in_context(NonRecordingSpan(named), context)


def fail(span: LightSpan, kind: str, description: str) -> None:
    """Mark a span as failed: ``error.type`` and the status."""
    span.extra = {**(span.extra or {}), semconv.ERROR_TYPE: kind}
    span.status = Status(StatusCode.ERROR, description)


def end(span: LightSpan) -> None:
    """End a span that ends by itself no other way; never without a duration, Jaeger warns of those."""
    span.end_time = max(time_ns(), span.start_time + 1)
    span.finish(span)


def dropped(span: LightSpan) -> None:
    """The ``finish`` of a span that is only there to be propagated."""
