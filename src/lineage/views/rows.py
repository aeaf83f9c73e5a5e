"""Spans as rows, read from OTLP JSON: one export request a line, or a whole file of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lineage.model import semconv
from lineage.model.records import RecordRef

_ERROR = 2
"""The status code of a failed span."""


@dataclass(frozen=True, slots=True)
class LinkRow:
    """Another span that a span points at."""

    trace_id: str
    span_id: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One span. Ids are hexadecimal, times nanoseconds since the epoch; ``error`` is empty unless it failed."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str
    start: int
    end: int
    error: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict, hash=False)
    links: tuple[LinkRow, ...] = ()

    @property
    def record(self) -> RecordRef | None:
        """The Kafka record that the span sent or handled, if it is known which."""
        topic, partition, offset = (
            self.attributes.get(name) for name in (semconv.DESTINATION, semconv.PARTITION, semconv.OFFSET)
        )
        if topic is None or partition is None or offset is None:
            return None
        return RecordRef(str(topic), int(partition), int(offset))

    @property
    def is_send(self) -> bool:
        """Whether it sent a record."""
        return self.attributes.get(semconv.OPERATION_NAME) == semconv.SEND

    @property
    def is_process(self) -> bool:
        """Whether it handled a record."""
        return self.attributes.get(semconv.OPERATION_NAME) == semconv.PROCESS


def read(lines: Iterable[str]) -> Iterator[Row]:
    """The spans of an OTLP JSON file. A line that holds none, such as one cut off by a crash, is left out."""
    for line in lines:
        if line.strip():
            yield from _rows(line)


def _rows(line: str) -> list[Row]:
    try:
        return list(_of_request(json.loads(line)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _of_request(request: Mapping[str, Any]) -> Iterator[Row]:
    for resource in request.get("resourceSpans", ()):
        service = _attributes(resource.get("resource", {})).get("service.name", "")
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                yield _row(span, str(service))


def _row(span: Mapping[str, Any], service: str) -> Row:
    return Row(
        trace_id=span["traceId"],
        span_id=span["spanId"],
        parent_id=span.get("parentSpanId", ""),
        name=span.get("name", ""),
        service=service,
        start=int(span.get("startTimeUnixNano", 0)),
        end=int(span.get("endTimeUnixNano", 0)),
        error=_error(span),
        attributes=_attributes(span),
        links=tuple(_link(link) for link in span.get("links", ())),
    )


def _error(span: Mapping[str, Any]) -> str:
    status = span.get("status", {})
    if status.get("code") not in (_ERROR, "STATUS_CODE_ERROR"):
        return ""
    return status.get("message") or str(_attributes(span).get(semconv.ERROR_TYPE, "failed"))


def _link(link: Mapping[str, Any]) -> LinkRow:
    return LinkRow(link["traceId"], link["spanId"], str(_attributes(link).get(semconv.ROLE, "")))


def _attributes(node: Mapping[str, Any]) -> dict[str, Any]:
    return {pair["key"]: _value(pair.get("value", {})) for pair in node.get("attributes", ())}


def _value(value: Mapping[str, Any]) -> Any:
    for kind, content in value.items():
        if kind == "arrayValue":
            return [_value(each) for each in content.get("values", ())]
        # 64-bit numbers are text in JSON.
        return int(content) if kind == "intValue" else content
    return None
