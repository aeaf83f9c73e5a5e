"""SDK spans, resources, scopes and whole requests -> OTLP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext

from lineage.agent.export import encode
from lineage.agent.export.packed import Part
from lineage.agent.export.wire import attributes, field, text, varint
from lineage.model import semconv

LIGHT_SCOPE = field(b"\x0a", field(b"\x0a", text(semconv.SCOPE)))
"""The encoded scope of all light spans; encoded scopes are the keys of `encode_request`."""


def encode_readable(span: ReadableSpan) -> bytes:
    """One SDK span as a field of ``ScopeSpans``."""
    context = span.get_span_context() or INVALID_SPAN_CONTEXT
    parts = (
        encode.identity(*encode.as_ids(context), encode.as_ids(span.parent)[1] if span.parent else b""),
        encode.trace_state(context.trace_state) if context.trace_state else b"",
        field(b"\x2a", text(span.name)),
        encode.kind(span.kind),
        encode.times(span.start_time or 0, span.end_time or 0),
        encode.flags(_flags(context, span.parent)),
        attributes(encode.ATTRIBUTE, span.attributes),
        encode.events(span.events),
        encode.links(span.links),
        encode.status(span.status),
        _dropped(span),
    )
    return field(encode.SPAN, b"".join(parts))


def _flags(context: SpanContext, parent: SpanContext | None) -> int:
    bits = int(context.trace_flags) & 0xFF | encode.HAS_REMOTE
    return bits | encode.REMOTE if parent is not None and parent.is_remote else bits


def _dropped(span: ReadableSpan) -> bytes:
    counts = ((b"\x50", span.dropped_attributes), (b"\x60", span.dropped_events), (b"\x70", span.dropped_links))
    return b"".join(tag + varint(count) for tag, count in counts if count)


def encode_scope(scope: InstrumentationScope | None) -> bytes:
    """The fields of ``ScopeSpans`` beside the spans: scope and schema."""
    if scope is None:
        return b""
    body = field(b"\x0a", text(scope.name or ""))
    if scope.version:
        body += field(b"\x12", text(scope.version))
    body += attributes(b"\x1a", scope.attributes)
    return field(b"\x0a", body) + (field(b"\x1a", text(scope.schema_url)) if scope.schema_url else b"")


def encode_resource(resource: Resource) -> bytes:
    """The fields of ``ResourceSpans`` beside the scopes: resource and schema."""
    body = field(b"\x0a", attributes(b"\x0a", resource.attributes))
    return body + (field(b"\x1a", text(resource.schema_url)) if resource.schema_url else b"")


def encode_request(resource: bytes, scopes: Mapping[bytes, Iterable[Part]]) -> bytes:
    """An ``ExportTraceServiceRequest`` of one resource: for each encoded scope its encoded spans."""
    return b"".join(map(bytes, request_parts(resource, scopes)))


def request_parts(resource: bytes, scopes: Mapping[bytes, Iterable[Part]]) -> list[Part]:
    """The same in pieces, as a request may be megabytes that need not be copied, nor unpacked at once."""
    groups = [_with_length(b"\x12", [scope, *spans]) for scope, spans in scopes.items()]
    return _with_length(b"\x0a", [resource, *(part for group in groups for part in group)])


def _with_length(tag: bytes, parts: list[Part]) -> list[Part]:
    return [tag + varint(sum(map(len, parts))), *parts]
