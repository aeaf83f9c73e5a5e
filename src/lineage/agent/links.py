"""Links to whoever wrote what is read: cheap to make, OpenTelemetry's own to everybody else.

A ``Link`` with its ``SpanContext`` takes 2-3 us to make, which a state read would spend for each value.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext

from lineage.agent.current import SPAN
from lineage.agent.spans import LightSpan, context_of
from lineage.model import semconv
from lineage.model.contributors import Contributors
from lineage.model.records import ROLE_INPUT, ROLE_STATE
from lineage.model.writers import Writer

ENDS = 16
"""How many of the first are linked, and as many of the last."""


class WriterLink(Link):
    """A link to the span that wrote a value, with the record that it handled."""

    def __init__(self, writer: Writer, role: str) -> None:
        self.writer = writer
        self.role = role

    @property
    def context(self) -> SpanContext:
        return context_of(self.writer, remote=True)

    @property
    def attributes(self) -> dict[str, Any]:
        writer = self.writer
        if writer.topic is None:
            return {semconv.ROLE: self.role}
        return {
            semconv.ROLE: self.role,
            semconv.DESTINATION: writer.topic,
            semconv.PARTITION: str(writer.partition),
            semconv.OFFSET: writer.offset,
        }

    @property
    def dropped_attributes(self) -> int:
        return 0


def ends(of: list[Any]) -> list[Any]:
    """The first and the last of many."""
    return of if len(of) <= 2 * ENDS else of[:ENDS] + of[-ENDS:]


def link_writers(span: LightSpan, writers: Iterable[Writer], role: str) -> None:
    """Link to the writers, each once; not to the own parent, as Jaeger then drops the parent edge."""
    each = {writer.span_id: writer for writer in writers}
    each.pop(span.parent_id, None)
    each.pop(span.span_id, None)
    if each:
        span.links = [*span.links, *(WriterLink(writer, role) for writer in ends(list(each.values())))]


def link_contributors(span: LightSpan, contributors: Contributors) -> None:
    """Links to those of the contributors that were kept; attributes say how many there were, and where they lie."""
    link_writers(span, (Writer(*ids) for ids in contributors.ids()), ROLE_INPUT)
    extra: dict[str, Any] = {semconv.INPUT_COUNT: contributors.total}
    if contributors.ranges:
        extra[semconv.INPUT_RANGES] = [str(each) for each in contributors.ranges]
    span.extra = {**(span.extra or {}), **extra}


def link_enclosing(context: Context, parent: Any, writers: Iterable[Writer]) -> None:
    """The span around a suppressed one carries its links, each once, as far as it has room."""
    span: Any = parent if isinstance(parent, LightSpan) else context.get(SPAN)
    if span is None or not span.is_recording():
        return
    ids = {link.context.span_id for link in span.links or ()}
    for writer in ends(list(writers)):
        named = context_of(writer, remote=True)
        if named.span_id in ids or writer.span_id in (parent.span_id, getattr(parent, "parent_id", None)):
            continue
        ids.add(named.span_id)
        span.add_link(named, dict(WriterLink(writer, ROLE_STATE).attributes))
