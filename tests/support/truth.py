"""Hold spans against what really happened.

Every record of a scenario says in its payload who it is and which records caused it, as in
`{"id": "enrich(order-3)", "from": ["order-3"]}`. One that passes a value on says so in a `truth` header.
`from` names what the agent can and must know; `maybe` what it must call possible, no more.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from confluent_kafka import Message

from support.broker import Topics
from support.otlp import Key, Span

OWN_HEADERS = ("traceparent", "tracestate", "baggage", "lineage-context")


class Record(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


class Edge(NamedTuple):
    """One record caused another."""

    cause: str
    effect: str


@dataclass(frozen=True)
class Made:
    """A record as found on the broker, with what it says about itself."""

    record: Record
    id: str
    causes: frozenset[str]
    maybe: frozenset[str] = frozenset()
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def is_root(self) -> bool:
        return not self.causes and not self.maybe


@dataclass(frozen=True)
class Edges:
    """What caused what, surely or possibly."""

    certain: frozenset[Edge] = frozenset()
    possible: frozenset[Edge] = frozenset()


@dataclass(frozen=True)
class Traced:
    """What spans claim. Whatever they leave open or contradict is in `problems`."""

    spans: dict[Key, Span]
    sends: dict[Record, Span]
    processes: dict[Record, list[Span]]
    problems: list[str] = field(default_factory=list)

    @classmethod
    def by(cls, spans: Iterable[Span]) -> Traced:
        every = list(spans)
        sends: dict[Record, Span] = {}
        processes: dict[Record, list[Span]] = defaultdict(list)
        problems = [
            f"two spans share the id {key}" for key, count in Counter(span.key for span in every).items() if count > 1
        ]
        for span in every:
            record = record_of(span)
            if record and is_process(span):
                processes[record].append(span)
            elif record and is_send(span):
                if record in sends:
                    problems.append(f"{record} was sent by two spans")
                sends[record] = span
        return cls({span.key: span for span in every}, sends, dict(processes), problems)

    def send_of(self, made: Made) -> Span:
        return self.sends[made.record]

    def received_by_service(self) -> dict[str, list[Record]]:
        """What each service processed, in order of place."""
        received: dict[str, list[Record]] = defaultdict(list)
        for record, spans in sorted(self.processes.items()):
            for span in spans:
                received[span.service].append(record)
        return dict(received)

    def chain(self, span: Span) -> Iterator[Span]:
        """The span's ancestors, nearest first, as far as they were received."""
        while (key := span.parent_key) and (parent := self.spans.get(key)):
            yield parent
            span = parent

    def nearest(self, key: Key | None) -> Record | None:
        """The record that a context stands for: the nearest message being processed or sent, from that span upwards."""
        span = self.spans.get(key) if key else None
        if span is None:
            return None
        return next((record for each in (span, *self.chain(span)) if (record := record_of(each))), None)


def is_send(span: Span) -> bool:
    return span.kind == "PRODUCER" and span.attributes.get("messaging.operation.type") == "send"


def is_process(span: Span) -> bool:
    return span.kind == "CONSUMER" and span.attributes.get("messaging.operation.type") == "process"


def record_of(span: Span) -> Record | None:
    """The record that a send or process span is about; None for any other span, and for a send that failed."""
    at = span.attributes
    if not (is_send(span) or is_process(span)) or "messaging.kafka.offset" not in at:
        return None
    partition = at["messaging.destination.partition.id"]
    assert isinstance(partition, str), f"{span.name}: the partition is a {type(partition).__name__}"
    return Record(at["messaging.destination.name"], int(partition), at["messaging.kafka.offset"])


def made_records(topics: Topics) -> list[Made]:
    """Read back everything a scenario made."""
    return [made_from(message, topics) for message in topics.messages()]


def made_from(message: Message, topics: Topics) -> Made:
    headers = tuple(message.headers() or ())
    told = [value for name, value in headers if name == "truth"]
    truth: dict[str, Any] = json.loads(told[-1] if told else message.value())
    return Made(
        Record(message.topic(), message.partition(), message.offset()),
        truth["id"],
        frozenset(truth["from"]),
        frozenset(truth.get("maybe", ())),
        headers,
    )


def true_edges(made: Iterable[Made]) -> Edges:
    made = list(made)
    return Edges(
        frozenset(Edge(cause, each.id) for each in made for cause in each.causes),
        frozenset(Edge(cause, each.id) for each in made for cause in each.maybe),
    )


def traced_edges(made: Iterable[Made], traced: Traced) -> Edges:
    """Direct edges between records as the spans tell them."""
    made = list(made)
    ids = {each.record: each.id for each in made}
    certain: set[Edge] = set()
    possible: set[Edge] = set()
    for each in made:
        if (send := traced.sends.get(each.record)) is None:
            continue
        sure, maybe = _causes(send, traced)
        certain |= {Edge(ids.get(cause, str(cause)), each.id) for cause in sure}
        possible |= {Edge(ids.get(cause, str(cause)), each.id) for cause in maybe}
    return Edges(frozenset(certain), frozenset(possible - certain))


def _causes(send: Span, traced: Traced) -> tuple[set[Record], set[Record]]:
    """Certain and possible causes of a send: through its parent, and through the links met on the way there."""
    between = _up_to_the_message(send, traced)
    linked: dict[str | None, set[Record]] = defaultdict(set)
    for span in between:
        for link in span.links:
            if cause := traced.nearest(link.key):
                linked[link.role].add(cause)
    parent = traced.nearest(send.parent_key)
    parents = {parent} if parent else set()
    # The parent of a send after a batch is no surer than its links.
    if linked["batch"]:
        return linked["input"], linked["batch"] | parents
    return linked["input"] | parents, set()


def _up_to_the_message(send: Span, traced: Traced) -> list[Span]:
    between = [send]
    for span in traced.chain(send):
        if record_of(span):
            break
        between.append(span)
    return between


def problems(
    made: Sequence[Made], spans: Iterable[Span], known: Collection[Key] = (), unseen: Collection[str] = ()
) -> list[str]:
    """Everything in which the spans are at odds with the truth; nothing if they tell it.

    `known` are spans left out on purpose, which the others may link to. Into the topics `unseen` applications without the
    agent wrote: nobody can know of a cause there, nor how many traces begin behind them.
    """
    traced = Traced.by(spans)
    return [
        *traced.problems,
        *_wrong_truth(made),
        *_wrong_times(traced),
        *_wrong_sends(made, traced, unseen),
        *_wrong_processes(traced),
        *_wrong_edges(made, traced, unseen),
        *_wrong_traces(traced, known),
        *(() if unseen else _wrong_trace_count(made, traced)),
        *_doubled_headers(made),
    ]


def assert_lineage(
    made: Sequence[Made], spans: Iterable[Span], *, beside: Collection[str] = (), unseen: Collection[str] = ()
) -> Traced:
    """Fail with every difference between spans and truth, else give the spans sorted out.

    Spans of the operations `beside` belong to no event and are left out; `unseen` as above.
    """
    every = list(spans)
    spans = [span for span in every if span.name.split()[0] not in beside]
    found = problems(made, spans, {span.key for span in every}, unseen)
    assert not found, "\n".join([f"{len(found)} problems with {len(spans)} spans of {len(made)} records", *found[:40]])
    return Traced.by(spans)


def _wrong_truth(made: Sequence[Made]) -> Iterator[str]:
    if not made:
        yield "no record was made at all"
    for id_, count in Counter(each.id for each in made).items():
        if count > 1:
            yield f"the scenario made {count} records called {id_}: the truth is ambiguous"


def _wrong_times(traced: Traced) -> Iterator[str]:
    for span in traced.spans.values():
        if span.end <= span.start:
            yield f"{_told(span)} ends {span.start - span.end} ns before it starts, or at once"


def _wrong_sends(made: Sequence[Made], traced: Traced, unseen: Collection[str]) -> Iterator[str]:
    for each in made:
        if each.record.topic in unseen and each.record in traced.sends:
            yield f"{each.id} was sent without the agent, and a span claims it"
        elif each.record.topic not in unseen and each.record not in traced.sends:
            yield f"{each.id}: no send span has {each.record}"
    known = {each.record for each in made}
    for record, span in traced.sends.items():
        if record not in known:
            yield f"{_told(span)} claims a record that does not exist: {record}"


def _wrong_processes(traced: Traced) -> Iterator[str]:
    """A process span is a child of its own message's send span."""
    for record, spans in traced.processes.items():
        send = traced.sends.get(record)
        for span in spans:
            if send is not None and span.parent_key != send.key:
                yield f"{_told(span)} of {record} is no child of that record's send span"


def _wrong_edges(made: Sequence[Made], traced: Traced, unseen: Collection[str]) -> Iterator[str]:
    truth = true_edges(each for each in made if each.record.topic not in unseen)
    claim = traced_edges(made, traced)
    for kind in ("certain", "possible"):
        true, claimed = getattr(truth, kind), getattr(claim, kind)
        yield from (f"missing {kind} edge: {edge.cause} -> {edge.effect}" for edge in sorted(true - claimed))
        yield from (f"false {kind} edge: {edge.cause} -> {edge.effect}" for edge in sorted(claimed - true))


def _wrong_traces(traced: Traced, known: Collection[Key]) -> Iterator[str]:
    """Every trace has one root, and parents connect the rest to it."""
    roots: dict[str, list[Span]] = defaultdict(list)
    for span in traced.spans.values():
        if span.parent_id is None:
            roots[span.trace_id].append(span)
        elif span.parent_key not in traced.spans:
            yield f"{_told(span)} has a parent that never arrived"
        for link in span.links:
            if link.key == span.parent_key:
                yield f"{_told(span)} links to its own parent, which hides the parent from Jaeger"
            if link.key not in traced.spans and link.key not in known:
                yield f"{_told(span)} links to a span that never arrived"
    for trace, spans in roots.items():
        if len(spans) > 1:
            yield f"trace {trace} has {len(spans)} roots: {', '.join(map(_told, spans))}"


def _wrong_trace_count(made: Sequence[Made], traced: Traced) -> Iterator[str]:
    """Every record without a cause begins a trace, and nothing else does."""
    expected = sum(each.is_root for each in made)
    traces = {span.trace_id for span in traced.spans.values()}
    if len(traces) != expected:
        yield f"{expected} records without a cause, but {len(traces)} traces"


def _doubled_headers(made: Sequence[Made]) -> Iterator[str]:
    for each in made:
        names = Counter(
            name for name, value in each.headers if not (value and b"mine" in value)
        )  # a user's lineage-context
        yield from (f"{each.id} carries {names[name]} {name} headers" for name in OWN_HEADERS if names[name] > 1)


def _told(span: Span) -> str:
    return f"{span.name} ({span.service} {span.span_id})"
