"""The parent of a send: trace rule 2, in its order."""

from __future__ import annotations

from time import time_ns
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import INVALID_SPAN
from support.memory import World, copied, span_id, trace_id, traceparent

from lineage.agent.current import var
from lineage.model.headers import LINEAGE, parse_lineage

TRACER = TracerProvider().get_tracer("app")


def tagged(number: int) -> list[tuple[str, bytes]]:
    return [("traceparent", traceparent(number, number))]


def roles(span: Any) -> list[tuple[int, str]]:
    return [(span_id(link.context.span_id), link.attributes["lineage.role"]) for link in span.links]


@pytest.fixture
def older(world: World) -> Any:
    """A message that was handled before: with its span as `span`."""
    message = world.receive(tagged(5), b"older value")
    message.span = world.open
    world.ask()
    return message


def test_forwarded_headers_come_first(world: World, older: Any) -> None:
    """Whatever is current: forwarding is the cause, and there is no link to the other."""
    world.receive(tagged(6))
    with TRACER.start_as_current_span("other"):
        send = world.send(headers=copied(older.pairs))
    assert (send.trace_id, send.parent_id, roles(send)) == (trace_id(5), older.span.span_id, [])


def test_a_span_that_descends_from_it_stays_the_parent(world: World) -> None:
    """The application's own span in the handler of the message that it forwards."""
    message = world.receive(tagged(6))
    with TRACER.start_as_current_span("step") as step:
        send = world.send(headers=message.pairs)
    assert send.parent_id == span_id(step.get_span_context().span_id)


@pytest.mark.parametrize("other", [lambda: TRACER.start_span("root", Context()), lambda: INVALID_SPAN])
def test_a_span_of_another_trace_is_no_cause_of_forwarding(world: World, other: Any) -> None:
    """It does not descend from the message."""
    message = world.receive(tagged(6))
    with trace.use_span(other()):
        send = world.send(headers=message.pairs)
    assert send.parent_id == world.open.span_id


def test_the_current_message_is_the_parent(world: World) -> None:
    """The plain case."""
    world.receive(tagged(6))
    send = world.send()
    assert (send.trace_id, send.parent_id) == (trace_id(6), world.open.span_id)


def test_a_value_of_another_message_is_a_further_input(world: World, older: Any) -> None:
    """The current span is the parent, the value's message is linked."""
    world.receive(tagged(6))
    send = world.send(older.content)
    assert send.parent_id == world.open.span_id
    assert roles(send) == [(older.span.span_id, "input")]
    assert send.extra["lineage.input.count"] == 2


def test_a_value_of_the_current_message_is_no_further_input(world: World) -> None:
    """No link to the own parent: Jaeger would drop the parent edge."""
    message = world.receive(tagged(6), b"own value")
    assert roles(world.send(message.content)) == []


def test_a_value_alone_is_a_cause(world: World, older: Any) -> None:
    """Nothing is current."""
    assert world.send(older.content).parent_id == older.span.span_id


def test_a_key_is_no_evidence(world: World) -> None:
    """A dict keeps the first equal key object."""
    world.receive(tagged(6), key=(key := b"the very key"))
    world.ask()
    assert world.send(key=key).parent_id == b""


def test_headers_of_an_unknown_message_are_their_context(world: World) -> None:
    """Out of a database, say; how far the event had come counts on."""
    other = World()
    other.receive(tagged(6))
    away = other.send()
    other.ask()
    send = world.send(headers=copied(away.headers))
    assert (send.trace_id, send.parent_id) == (trace_id(6), away.span_id)
    said, before = parse_lineage(dict(send.headers)[LINEAGE]), parse_lineage(dict(away.headers)[LINEAGE])
    assert said is not None
    assert before is not None
    assert (said.hops, said.entry) == (before.hops + 1, before.entry)


def test_unknown_headers_do_not_beat_the_current_message(world: World) -> None:
    """They come last."""
    world.receive(tagged(6))
    assert world.send(headers=tagged(9)).parent_id == world.open.span_id


def test_nothing_is_a_root(world: World) -> None:
    """Counted, as it may be a gap."""
    assert world.send().parent_id == b""
    assert world.recorder.counters()["sends_without_cause"] == 1


def test_a_span_around_the_loop_is_linked(world: World) -> None:
    """Not the parent of what is processed."""
    with TRACER.start_as_current_span("loop") as loop:
        world.receive(tagged(6))
        assert (world.open.parent_id, roles(world.open)) == (
            span_id(6),
            [(span_id(loop.get_span_context().span_id), "enclosing")],
        )
        world.ask()
        assert world.send().parent_id == span_id(loop.get_span_context().span_id)


def test_a_captured_context_counts_for_a_while(world: World) -> None:
    """A thread that was started in a handler works on; a flush loop is no handler."""
    world.receive(tagged(6))
    captured, span = var.get(), world.open
    world.ask()
    span.home = 0  # as if elsewhere
    assert world.recorder.causes.of_context(captured).parent is span
    span.end_time = time_ns() - 31_000_000_000
    assert world.recorder.causes.of_context(captured).parent is None


def test_a_context_put_back_by_accident_is_no_evidence(world: World) -> None:
    """A span opened before the poll and closed after it."""
    world.receive(tagged(6))
    captured = var.get()
    world.ask()
    var.set(captured)
    assert world.send().parent_id == b""


def test_links_are_bounded_and_the_count_is_true(make: type[World]) -> None:
    """The first and the last."""
    world = make(max_links=4)
    messages = [world.receive(tagged(number)) for number in range(1, 11)]
    spans = [world.recorder.evidence.of_message(message) for message in messages]
    import lineage

    world.ask()
    with lineage.handling(*messages, messages[-1]):
        send = world.send()
    assert send.parent_id == spans[-1].span_id
    assert [span_id for span_id, _ in roles(send)] == [spans[at].span_id for at in (0, 1, 7, 8)]
    assert send.extra["lineage.input.count"] == 10


def test_without_process_spans_no_send_links_to_its_own_parent(make: type[World]) -> None:
    """Messages of one send then stand for that send."""
    world = make(suppressed=frozenset({"process"}))
    batch = world.consume(*[world.receive(tagged(6)) for _ in range(3)])
    send = world.send()
    assert (len(batch), send.parent_id, roles(send)) == (3, span_id(6), [])
