"""Light spans: OpenTelemetry spans to everybody else, a handful of slots to us.

An SDK span costs 12 to 23 us to create. These cost under one: what all spans of one operation on one topic share lives in a
``Template``, the rest in slots, and what is rare (events, links, attributes) in an object that is made when it is needed.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from time import time_ns
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from lineage.model import semconv

_INSTRUMENTATION_SCOPE = InstrumentationScope(semconv.SCOPE)
_SCALARS = (str, bool, int, float, bytes)

# OpenTelemetry's default for attributes, events and links: how many the application may add to one span.
_LIMIT = 128

_UNSET = Status()
_number = partial(int.from_bytes, byteorder="big")


class Template:
    """What every span of one operation on one topic by one client has in common.

    ``encoded`` belongs to the exporter: its bytes for the constant attributes, made once.
    """

    __slots__ = ("attributes", "encoded", "kind", "name")

    def __init__(self, name: str, kind: SpanKind, attributes: Mapping[str, Any]) -> None:
        self.name = name
        self.kind = kind
        self.attributes = dict(attributes)
        self.encoded: Any = None


class Rare:
    """What most spans never have: added attributes, links, events, a status, another name, a resource."""

    __slots__ = ("events", "extra", "links", "renamed", "resource", "status")

    def __init__(self) -> None:
        self.extra: dict[str, Any] | None = None
        self.links: Sequence[Link] = ()
        self.events: Sequence[Event] = ()
        self.status: Status | None = _UNSET
        self.renamed: str | None = None
        self.resource: Resource | None = None


class LightSpan(Span):
    """One span. Ids are bytes (16, 8, 8), times nanoseconds since the epoch, ``end_time`` is 0 while it is open.

    ``span_id`` is empty for a span that stands for none, ``parent_id`` for a root. ``partition``, ``offset``, ``key``, ``size`` and
    ``timestamp`` (ms) are the attributes that differ with every message; None means not known. Who opens a span gives it a
    ``finish`` that takes the ended span: the recorder's. The hot path fills in every slot itself and does without ``__init__``.
    """

    __slots__ = (
        "end_time",
        "finish",
        "key",
        "offset",
        "parent_id",
        "partition",
        "rare",
        "sampled",
        "size",
        "span_id",
        "start_time",
        "state",
        "template",
        "timestamp",
        "trace_id",
    )

    template: Template
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    sampled: bool
    state: TraceState | None
    start_time: int
    end_time: int
    partition: int | None
    offset: int | None
    key: str | None
    size: int | None
    timestamp: int | None
    finish: Any
    rare: Rare | None

    instrumentation_scope = _INSTRUMENTATION_SCOPE

    def __init__(self) -> None:
        self.trace_id = self.span_id = self.parent_id = b""
        self.sampled, self.rare, self.state = True, None, None
        self.start_time = self.end_time = 0
        self.partition = self.offset = self.size = self.timestamp = self.key = None

    # The rare parts, kept in an object that is made for the first of them.

    @property
    def extra(self) -> dict[str, Any] | None:
        return self.rare.extra if self.rare is not None else None

    @extra.setter
    def extra(self, value: dict[str, Any] | None) -> None:
        self._more().extra = value

    @property
    def links(self) -> Sequence[Link]:
        return self.rare.links if self.rare is not None else ()

    @links.setter
    def links(self, value: Sequence[Link]) -> None:
        self._more().links = value

    @property
    def events(self) -> Sequence[Event]:
        return self.rare.events if self.rare is not None else ()

    @events.setter
    def events(self, value: Sequence[Event]) -> None:
        self._more().events = value

    @property
    def status(self) -> Status | None:
        return self.rare.status if self.rare is not None else _UNSET

    @status.setter
    def status(self, value: Status | None) -> None:
        self._more().status = value

    @property
    def resource(self) -> Resource | None:
        return self.rare.resource if self.rare is not None else None

    @resource.setter
    def resource(self, value: Resource | None) -> None:
        self._more().resource = value

    def _more(self) -> Rare:
        if self.rare is None:
            self.rare = Rare()
        return self.rare

    @property
    def name(self) -> str:
        renamed = self.rare.renamed if self.rare is not None else None
        return renamed or self.template.name

    # What processors read of an SDK span when it starts.

    @property
    def context(self) -> SpanContext:
        return self.get_span_context()

    @property
    def parent(self) -> SpanContext | None:
        if not self.parent_id:
            return None
        # A consumer's parent is the send; a producer's may be anywhere.
        remote = self.template.kind is SpanKind.CONSUMER
        return SpanContext(_number(self.trace_id), _number(self.parent_id), remote, TraceFlags(self.sampled))

    @property
    def kind(self) -> SpanKind:
        return self.template.kind

    @property
    def attributes(self) -> Mapping[str, Any]:
        return self.all_attributes()

    def get_span_context(self) -> SpanContext:
        return context_of(self, remote=False)

    def is_recording(self) -> bool:
        return self.sampled and not self.end_time

    def set_attribute(self, key: str, value: Any) -> None:
        extra = self.extra or {}
        if self.is_recording() and _is_attribute(key, value) and (len(extra) < _LIMIT or key in extra):
            self.extra = {**extra, key: value}

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        if self.is_recording():
            self.events = [*(self.events or ())[1 - _LIMIT :], Event(name, attributes, timestamp)]

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:
        if self.is_recording() and context.is_valid and len(self.links or ()) < _LIMIT:
            self.links = [*(self.links or ()), Link(context, attributes)]

    def update_name(self, name: str) -> None:
        if self.is_recording():
            self._more().renamed = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        status = status if isinstance(status, Status) else Status(status, description)
        final = self.status is not None and self.status.status_code is StatusCode.OK
        if self.is_recording() and not final and not status.is_unset:
            self.status = status

    def record_exception(
        self, exception: BaseException, attributes: Any = None, timestamp: int | None = None, escaped: bool = False
    ) -> None:
        details = {
            "exception.type": type(exception).__qualname__,
            "exception.message": str(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", {**details, **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """End the span once; later calls change nothing."""
        if not self.end_time:
            # Jaeger warns of spans without a duration.
            self.end_time = max(end_time or time_ns(), self.start_time + 1)
            self.finish(self)

    def stop(self) -> None:
        """It ends now, though nobody is told yet. Never without a duration: Jaeger warns of those."""
        now = time_ns()
        self.end_time = now if now > self.start_time else self.start_time + 1

    def all_attributes(self) -> dict[str, Any]:
        """Constant, per-message and added attributes together."""
        attributes = dict(self.template.attributes)
        if self.partition is not None:
            attributes[semconv.PARTITION] = str(self.partition)
        for name, value in (
            (semconv.OFFSET, self.offset),
            (semconv.KEY, self.key),
            (semconv.BODY_SIZE, self.size),
            (semconv.TIMESTAMP, self.timestamp),
        ):
            if value is not None:
                attributes[name] = value
        return {**attributes, **(self.extra or {})}


def context_of(span: Any, *, remote: bool) -> SpanContext:
    """OpenTelemetry's name for anything that has the ids of a span: a light span or a ``SpanRef``."""
    flags = TraceFlags(span.sampled)
    return SpanContext(_number(span.trace_id), _number(span.span_id), remote, flags, span.state)


def readable(span: LightSpan, resource: Resource) -> ReadableSpan:
    """The SDK's read-only form, for processors and exporters that are not ours."""
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=resource,
        attributes=span.all_attributes(),
        events=span.events or (),
        links=span.links or (),
        kind=span.kind,
        status=span.status or Status(),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=_INSTRUMENTATION_SCOPE,
    )


def _is_attribute(key: Any, value: Any) -> bool:
    if not key or not isinstance(key, str):
        return False
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return all(isinstance(item, _SCALARS) for item in value)
    return isinstance(value, _SCALARS)
