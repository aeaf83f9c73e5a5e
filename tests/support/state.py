"""Hold the reads of a running total against the truth: its outputs name the event that wrote what was read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from support.otlp import Span
from support.scenario import Outcome
from support.truth import Traced, is_process

Reads = dict[str, str | None]
"""Which event wrote what an event read."""


def true_reads(outcome: Outcome, topic: str = "totals") -> Reads:
    """What the outputs say."""
    values = [json.loads(message.value()) for message in _of(outcome, topic)]
    return {value["of"]: value["read"] for value in values}


def counts(outcome: Outcome, topic: str = "totals") -> dict[str, list[int]]:
    """The totals by key, in order."""
    found: dict[str, list[int]] = {}
    for message in _of(outcome, topic):
        found.setdefault(message.key().decode(), []).append(json.loads(message.value())["n"])
    return {key: sorted(numbers) for key, numbers in sorted(found.items())}


def told_reads(outcomes: Sequence[Outcome], spans: Iterable[Span], operation: str = "get totals") -> Reads:
    """What the spans say: each event's one read, and the event of the span that it links to."""
    traced = Traced.by(spans)
    ids = {made.record: made.id for outcome in outcomes for made in outcome.made}

    def event(span: Span | None) -> str | None:
        chain = () if span is None else (span, *traced.chain(span))
        handled = next((traced.nearest(each.key) for each in chain if is_process(each)), None)
        return None if handled is None else ids[handled]

    reads: Reads = {}
    for span in traced.spans.values():
        if span.name == operation:
            reader = event(span)
            assert reader is not None
            assert reader not in reads, f"{reader} read twice"
            assert len(span.links) <= 1
            writers = [event(traced.spans.get(link.key)) or "nobody that is known" for link in span.links]
            reads[reader] = writers[0] if writers else None
    return reads


def _of(outcome: Outcome, topic: str) -> list:
    full = outcome.topics.full(topic)
    return [message for message in outcome.topics.messages() if message.topic() == full]
