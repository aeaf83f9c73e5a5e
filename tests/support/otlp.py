"""Spans as plain values, from whatever form of OTLP they arrive in."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

Attributes = dict[str, Any]
Key = tuple[str, str]
"""A span's trace id and span id, in hexadecimal."""


@dataclass(frozen=True)
class Link:
    """A link, with the role that the agent gives it."""

    key: Key
    attributes: Attributes

    @property
    def role(self) -> str | None:
        return self.attributes.get("lineage.role")


@dataclass(frozen=True)
class Span:
    """A span as it was received."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    start: int = 0
    end: int = 1
    status: str = "UNSET"
    status_message: str = ""
    attributes: Attributes = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    events: tuple[str, ...] = ()
    service: str = ""
    scope: str = ""
    resource: Attributes = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return self.trace_id, self.span_id

    @property
    def parent_key(self) -> Key | None:
        return (self.trace_id, self.parent_id) if self.parent_id else None


@dataclass(frozen=True)
class Point:
    """What a counter or a histogram said last: its total, and how many values a histogram has seen."""

    metric: str
    unit: str
    service: str
    attributes: Attributes
    total: float
    count: int = 0


def points_of(request: ExportMetricsServiceRequest) -> Iterator[Point]:
    for resource_metrics in request.resource_metrics:
        service = _attributes(resource_metrics.resource.attributes).get("service.name", "")
        for metric in (each for scope in resource_metrics.scope_metrics for each in scope.metrics):
            for number in metric.sum.data_points:
                total = number.as_int or number.as_double
                yield Point(metric.name, metric.unit, service, _attributes(number.attributes), total)
            for values in metric.histogram.data_points:
                attributes = _attributes(values.attributes)
                yield Point(metric.name, metric.unit, service, attributes, values.sum, values.count)


def spans_of(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield _span(span, resource, scope_spans.scope.name)


def spans_in_file(path: Path) -> list[Span]:
    """Read an OTLP JSON file: one export request a line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [span for line in lines if line.strip() for span in spans_of(_request(json.loads(line)))]


def _request(document: Any) -> ExportTraceServiceRequest:
    return ParseDict(_ids_as_base64(document), ExportTraceServiceRequest())


def _ids_as_base64(node: Any) -> Any:
    """OTLP writes ids in hexadecimal, where protobuf's own JSON mapping wants base64."""
    if isinstance(node, list):
        return [_ids_as_base64(each) for each in node]
    if isinstance(node, dict):
        return {
            name: base64.b64encode(bytes.fromhex(value)).decode()
            if name in ("traceId", "spanId", "parentSpanId")
            else _ids_as_base64(value)
            for name, value in node.items()
        }
    return node


def _span(span: trace_pb2.Span, resource: Attributes, scope: str) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() or None,
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        status=trace_pb2.Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        status_message=span.status.message,
        attributes=_attributes(span.attributes),
        links=tuple(Link((e.trace_id.hex(), e.span_id.hex()), _attributes(e.attributes)) for e in span.links),
        events=tuple(event.name for event in span.events),
        service=resource.get("service.name", ""),
        scope=scope,
        resource=resource,
    )


def _attributes(pairs: Iterable[KeyValue]) -> Attributes:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind) if kind else None
