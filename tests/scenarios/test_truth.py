"""The checker itself: spans that tell the truth pass, and each kind of lie is named."""

from dataclasses import replace

import pytest
from support.otlp import Link, Span
from support.truth import Made, Record, problems

ORDER = Made(Record("orders", 0, 0), "order", frozenset())
OTHER = Made(Record("orders", 1, 0), "other", frozenset())
PRICED = Made(Record("priced", 2, 0), "priced", frozenset({"order"}))
JOINED = Made(Record("priced", 2, 0), "priced", frozenset({"order", "other"}))
MAYBE = Made(Record("priced", 2, 0), "priced", frozenset(), frozenset({"order", "other"}))


def span(verb, made, trace, number, parent=None, links=()):
    attributes = {
        "messaging.operation.type": verb,
        "messaging.destination.name": made.record.topic,
        "messaging.destination.partition.id": str(made.record.partition),
        "messaging.kafka.offset": made.record.offset,
    }
    kind = {"send": "PRODUCER", "process": "CONSUMER"}[verb]
    return Span(trace, number, parent, f"{verb} {made.record.topic}", kind, attributes=attributes, links=tuple(links))


SEND_ORDER = span("send", ORDER, "A", "1")
PROCESS_ORDER = span("process", ORDER, "A", "2", parent="1")
SEND_PRICED = span("send", PRICED, "A", "3", parent="2")
SEND_OTHER = span("send", OTHER, "B", "4")
PROCESS_OTHER = span("process", OTHER, "B", "5", parent="4")
MADE = [ORDER, OTHER, PRICED]
TRUE = [SEND_ORDER, PROCESS_ORDER, SEND_PRICED, SEND_OTHER, PROCESS_OTHER]


def linked(role):
    return replace(SEND_PRICED, links=(Link(PROCESS_OTHER.key, {"lineage.role": role}),))


def told(made, spans):
    return " | ".join(problems(made, spans))


def test_the_truth_passes():
    """Send and process spans in two traces, connected by parents."""
    assert told(MADE, TRUE) == ""


def test_a_user_span_between_is_no_hindrance():
    """What stands between a send and its message does not hide the message."""
    work = Span("A", "6", "2", "work", "INTERNAL")
    assert told(MADE, [*TRUE[:2], work, replace(SEND_PRICED, parent_id="6"), *TRUE[3:]]) == ""


def test_a_missing_edge_is_named():
    """A send that is a root although its record has a cause."""
    spans = [*TRUE[:2], replace(SEND_PRICED, trace_id="C", parent_id=None), *TRUE[3:]]
    assert "missing certain edge: order -> priced" in told(MADE, spans)
    assert "2 records without a cause, but 3 traces" in told(MADE, spans)


def test_a_false_edge_is_named():
    """A send whose parent is another message."""
    spans = [*TRUE[:2], replace(SEND_PRICED, trace_id="B", parent_id="5"), *TRUE[3:]]
    assert "false certain edge: other -> priced" in told(MADE, spans)
    assert "missing certain edge: order -> priced" in told(MADE, spans)


def test_an_input_link_is_an_edge():
    """True where the record has two causes, false where it has one."""
    spans = [*TRUE[:2], linked("input"), *TRUE[3:]]
    assert told([ORDER, OTHER, JOINED], spans) == ""
    assert told(MADE, spans) == "false certain edge: other -> priced"


def test_a_batch_makes_only_possible_edges():
    """With its links the parent is no more than possible, too."""
    spans = [*TRUE[:2], linked("batch"), *TRUE[3:]]
    assert told([ORDER, OTHER, MAYBE], spans) == ""
    assert "missing certain edge: order -> priced" in told(MADE, spans)


def test_a_link_on_an_enclosing_span_counts():
    """A user's span between the send and its message may carry the links."""
    work = replace(linked("input"), span_id="6", name="work", kind="INTERNAL", attributes={})
    spans = [*TRUE[:2], work, replace(SEND_PRICED, parent_id="6"), *TRUE[3:]]
    assert told([ORDER, OTHER, JOINED], spans) == ""


def test_a_send_from_a_delivery_callback_is_caused_by_the_reported_send():
    """The nearest message upwards is the one whose send is the parent."""
    receipt = Made(Record("receipts", 0, 0), "receipt", frozenset({"priced"}))
    assert told([*MADE, receipt], [*TRUE, span("send", receipt, "A", "7", parent="3")]) == ""


@pytest.mark.parametrize(
    ("spans", "problem"),
    [
        (TRUE[1:], "has a parent that never arrived"),
        ([*TRUE, SEND_OTHER], "two spans share the id"),
        ([*TRUE, replace(SEND_OTHER, span_id="8", parent_id="5")], "was sent by two spans"),
        ([*TRUE[:4], replace(PROCESS_OTHER, start=9, end=8)], "before it starts"),
        ([*TRUE[:4], replace(PROCESS_OTHER, parent_id=None)], "has 2 roots"),
        ([*TRUE[:4], replace(PROCESS_OTHER, trace_id="A", parent_id="1")], "is no child of that record's send span"),
        (TRUE[:3], "other: no send span has"),
        ([*TRUE, span("send", Made(Record("x", 0, 0), "x", frozenset()), "B", "9", parent="5")], "does not exist"),
        ([*TRUE[:2], replace(linked("input"), links=(Link(("Z", "Z"), {}),)), *TRUE[3:]], "links to a span that never"),
        ([*TRUE[:2], replace(SEND_PRICED, links=(Link(("A", "2"), {}),)), *TRUE[3:]], "links to its own parent"),
    ],
)
def test_other_faults_are_named(spans, problem):
    """Lost, doubled, disordered and misplaced spans."""
    assert problem in told(MADE, spans)


def test_records_sent_without_the_agent_have_no_send_span():
    """Nor is one expected of them: their process spans begin traces, and edges out of them are known."""
    process = replace(PROCESS_ORDER, parent_id=None)
    assert problems([ORDER, PRICED], [process, SEND_PRICED], unseen={"orders"}) == []
    assert "a span claims it" in problems([ORDER], [SEND_ORDER], unseen={"orders"})[0]
    assert problems([ORDER, PRICED], [process], unseen={"orders", "priced"}) == []


def test_doubled_propagation_headers_are_named():
    """A record carries one `traceparent`, however often it was passed on."""
    doubled = replace(PRICED, headers=(("traceparent", b"1"), ("traceparent", b"2")))
    assert told([ORDER, OTHER, doubled], TRUE) == "priced carries 2 traceparent headers"


def test_an_ambiguous_scenario_is_refused():
    """Ids tell records apart, or the scenario proves nothing."""
    assert "truth is ambiguous" in told([*MADE, replace(OTHER, record=Record("x", 0, 1))], TRUE)
