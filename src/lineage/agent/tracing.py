"""What every span needs: ids, a sampling decision, and somewhere to go when it has ended."""

from __future__ import annotations

import os
import struct
from random import Random
from time import time_ns
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)

from lineage.agent.guard import guarded
from lineage.agent.sampling import Sampling
from lineage.agent.spans import LightSpan, Template, context_of, readable
from lineage.model import semconv

_IDS = 256
_split = struct.Struct("8s" * _IDS).unpack


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
        self._span_ids: list[bytes] = []
        self._exporter = exporter
        self._multi = provider._active_span_processor
        self._seen: Any = None
        self._others: tuple[SpanProcessor, ...] = ()
        self._finish = self.finish
        # What compiled code needs to begin a span: no sampler and no generator of ids to ask.
        sampling = self.sampling
        followed = sampling.other is None and sampling.follow_parent and not record_unsampled
        self.plain = (self._finish, self._span_ids, sampling.below) if followed and self._ids is None else None

    def reseed(self) -> None:
        """A forked child must not repeat its parent's ids."""
        self.random.seed(os.urandom(16))
        self._span_ids.clear()

    def begin(self, span: LightSpan, template: Template, parent: Any, context: Context, now: int) -> None:
        """Fill in a new span's identity and what is common to all; ``parent`` is None for a root, ``now`` the start (ns)."""
        span.template = template
        span.start_time = now
        span.end_time = 0
        span.rare = None
        span.finish = self._finish
        span.span_id = self._span_id()
        if parent is None:
            span.trace_id = self._trace_id()
            span.parent_id, span.state = b"", None
        else:
            span.trace_id, span.parent_id, span.state = parent.trace_id, parent.span_id, parent.state
        sampling = self.sampling
        if sampling.other is None:
            span.sampled = (
                parent.sampled or sampling.record_unsampled
                if parent is not None and sampling.follow_parent
                else sampling.decide(span.trace_id)
            )
        else:
            span.sampled, extra, span.state = sampling.ask(_under(parent, context), span.trace_id, template)
            if extra:
                span.extra = extra

    def _more_ids(self) -> bytes:
        """One call of the generator for many ids: a call each costs as much as all the rest of an id."""
        some = self.random.getrandbits(64 * _IDS).to_bytes(8 * _IDS, "big")
        self._span_ids += _split(some)
        return self._span_id()

    def _span_id(self) -> bytes:
        if self._ids is not None:
            return self._ids.generate_span_id().to_bytes(8, "big")
        try:
            return self._span_ids.pop()
        except IndexError:
            return self._more_ids()

    def _trace_id(self) -> bytes:
        if self._ids is not None:
            return self._ids.generate_trace_id().to_bytes(16, "big")
        return self._span_id() + self._span_id()

    def started(self, span: LightSpan, context: Context) -> None:
        """Tell the processors that users added, once the span has its attributes."""
        if self._multi._span_processors is self._seen and not self._others:
            return
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
        if self._multi._span_processors is not self._seen or self._others:
            self._tell_end(span)

    def discard(self, span: LightSpan) -> None:
        """A started span is not to be exported after all: processors see it end unsampled, and forget it."""
        if span.sampled:
            span.sampled, span.end_time = False, time_ns()
            self._tell_end(span)

    def _tell_end(self, span: LightSpan) -> None:
        processors = self.processors()
        if processors:
            ended = readable(span, self.resource)
            for processor in processors:
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
    named = context_of(parent, remote=not isinstance(parent, LightSpan))
    if current.get_span_context().span_id == named.span_id:
        return context
    return set_span_in_context(NonRecordingSpan(named), context)


def fail(span: LightSpan, kind: str, description: str) -> None:
    """Mark a span as failed: ``error.type`` and the status."""
    span.extra = {**(span.extra or {}), semconv.ERROR_TYPE: kind}
    span.status = Status(StatusCode.ERROR, description)


def end(span: LightSpan) -> None:
    """End a span that ends by itself no other way."""
    span.stop()
    span.finish(span)


def dropped(span: LightSpan) -> None:
    """The ``finish`` of a span that is only there to be propagated."""
