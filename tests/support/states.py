"""Hold what the spans say of state against what the applications say in their payloads.

A record with `read` names the message whose value was read for it, or null. Spans must link exactly there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from confluent_kafka import Message

from support.otlp import Span
from support.truth import Made, Record, Traced, is_process

OPERATIONS = ("get", "put", "delete", "exists", "scan")


def is_state(span: Span) -> bool:
    return span.kind == "INTERNAL" and span.attributes.get("db.operation.name") in OPERATIONS


def state_spans(spans: Iterable[Span], *operations: str) -> list[Span]:
    return [
        span
        for span in spans
        if is_state(span) and (span.attributes["db.operation.name"] in (operations or OPERATIONS))
    ]


def read_problems(
    messages: Sequence[Message], made: Sequence[Made], spans: Sequence[Span], unseen: str = "nobody"
) -> list[str]:
    """Every read whose link is missing, wrong, or one too many; and every link that says of its record what is not so.

    Messages whose id begins with `unseen` were handled without the agent: they wrote, and nobody can know it.
    """
    traced = Traced.by(spans)
    ids = {each.record: each.id for each in made}
    reads = list(_reads_by_message(traced))
    problems = []
    for message in messages:
        told = json.loads(message.value())
        if "read" not in told:
            continue
        send = traced.sends.get(Record(message.topic(), message.partition(), message.offset()))
        if send is None and told["from"][0].startswith(unseen):
            continue
        assert send is not None, f"{told['id']}: no send span"
        process = next(span for span in traced.chain(send) if is_process(span))
        expected = {told["read"]} - {None}
        expected = {each for each in expected if not each.startswith(unseen)}
        for span in (
            span for key, span in reads if key == process.key and span.attributes["db.response.returned_rows"]
        ):
            linked = {ids.get(record) for link in span.links if (record := traced.nearest(link.key))}
            if linked != expected:
                problems.append(f"{told['id']}: {span.name} links to {linked}, not to {expected}")
    return [*problems, *_wrong_records(traced, (span for _, span in reads))]


def _reads_by_message(traced: Traced) -> Iterator[tuple[tuple[str, str], Span]]:
    for span in state_spans(traced.spans.values(), "get"):
        process = next((each for each in traced.chain(span) if is_process(each)), None)
        if process is not None:
            yield process.key, span


def _wrong_records(traced: Traced, spans: Iterable[Span]) -> Iterator[str]:
    for span in spans:
        for link in span.links:
            at = link.attributes
            place = at["messaging.destination.name"], int(at["messaging.destination.partition.id"])
            said = Record(*place, at["messaging.kafka.offset"])
            if (true := traced.nearest(link.key)) != said:
                yield f"{span.name}: a link says {said}, but its span handled {true}"
