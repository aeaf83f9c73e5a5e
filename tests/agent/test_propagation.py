"""Headers: what we write by hand is what OpenTelemetry's propagators write, and any other propagator is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator, default_getter, default_setter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from support.memory import World, span_id, trace_id, traceparent

from lineage.agent.propagation import Propagation
from lineage.model.headers import LINEAGE

W3C = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
PARENT = traceparent(7, 9)
names = st.text("abcdefgh", min_size=1, max_size=8)
states = st.dictionaries(names, st.text("xyz123", min_size=1), max_size=4).map(
    lambda pairs: TraceState(list(pairs.items()))
)
bags = st.dictionaries(names, st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), max_size=4)


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans(), states, bags)
def test_by_hand_is_as_by_the_propagators(trace: int, number: int, sampled: bool, state: Any, bag: Any) -> None:
    """Written and read: ids, flags, trace state and baggage."""
    context = Context()
    for name, value in bag.items():
        context = baggage.set_baggage(name, value, context)
    span = NonRecordingSpan(SpanContext(trace, number, False, TraceFlags(sampled), state))
    theirs: dict[str, str] = {}
    W3C.inject(theirs, set_span_in_context(span, context))
    span.trace_id, span.span_id = trace_id(trace), span_id(number)  # type: ignore[attr-defined]
    span.sampled, span.state = sampled, state  # type: ignore[attr-defined]
    ours = Propagation(W3C).inject(span, context)
    assert {name: value.decode() for name, value in ours} == theirs
    ref, bag_read = Propagation(W3C).extract(ours, dict(ours))
    read = W3C.extract(theirs)
    expected = get_current_span(read).get_span_context()
    named = trace_id(expected.trace_id), span_id(expected.span_id)
    assert ref == (*named, expected.trace_flags.sampled, expected.trace_state or None)
    assert (bag_read or {}) == baggage.get_all(read)


@given(st.binary(max_size=80) | st.none(), st.binary(max_size=80), st.binary(max_size=80))
def test_hostile_headers_are_no_context(parent: Any, state: bytes, bag: bytes) -> None:
    """Anything may stand in them."""
    found = {"traceparent": parent, "tracestate": state, "baggage": bag}
    ref, _ = Propagation(W3C).extract(found.items(), found)
    assert ref is None or PARENT[:3] in parent


def test_of_doubled_headers_the_last_valid_one_counts() -> None:
    """Something else may have been appended behind it."""
    pairs = [("traceparent", PARENT), ("traceparent", traceparent(1, 2)), ("traceparent", b"broken")]
    ref, _ = Propagation(W3C).extract(pairs, dict(pairs))
    assert ref is not None
    assert ref[:2] == (trace_id(1), span_id(2))


def test_state_and_baggage_go_on(world: World) -> None:
    """From a message to what is sent because of it."""
    world.receive([("traceparent", PARENT), ("tracestate", b"v=1"), ("baggage", b"tenant=a")])
    assert baggage.get_all() == {"tenant": "a"}
    sent = dict(world.send().headers)
    assert (sent["tracestate"], sent["baggage"]) == (b"v=1", b"tenant=a")


def test_an_old_context_is_replaced_and_never_doubled(world: World) -> None:
    """In a new list: the caller's stays as it was."""
    given = [("traceparent", PARENT), ("mine", b"1"), ("tracestate", b"v=1"), (LINEAGE, b"lineage=of-the-user")]
    before = list(given)
    sent = world.send(headers=given).headers
    assert given == before
    assert [name for name, _ in sent] == ["mine", LINEAGE, "traceparent", "tracestate", LINEAGE]
    assert dict(sent)["traceparent"] != PARENT


class B3(TextMapPropagator):
    """A propagator whose trace and span ids stand in headers of their own."""

    def extract(self, carrier: Any, context: Any = None, getter: Any = default_getter) -> Context:
        found = [getter.get(carrier, name) for name in ("b3-trace", "b3-span")]
        if not all(found):
            return context or Context()
        trace, number = (int(values[0], 16) for values in found)
        return set_span_in_context(NonRecordingSpan(SpanContext(trace, number, True, TraceFlags(1))), context)

    def inject(self, carrier: Any, context: Any = None, setter: Any = default_setter) -> None:
        span = get_current_span(context).get_span_context()
        setter.set(carrier, "b3-trace", f"{span.trace_id:032x}")
        setter.set(carrier, "b3-span", f"{span.span_id:016x}")

    @property
    def fields(self) -> set[str]:
        return {"b3-trace", "b3-span"}


@pytest.fixture
def b3(make: type[World], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose configured propagator is not the W3C's."""
    monkeypatch.setattr(propagate, "get_global_textmap", B3)
    return make()


def test_another_propagator_is_asked(b3: World) -> None:
    """Its headers carry the trace, and are replaced on the way."""
    b3.receive([("b3-trace", b"07"), ("b3-span", b"09")])
    assert (b3.open.trace_id, b3.open.parent_id) == (trace_id(7), span_id(9))
    sent = b3.send(headers=[("b3-span", b"old")])
    assert [name for name, _ in sent.headers] == ["b3-trace", "b3-span", LINEAGE]
    assert bytes.fromhex(dict(sent.headers)["b3-span"].decode()) == sent.span_id


def test_messages_of_one_trace_are_told_apart(b3: World) -> None:
    """Of several headers, one alone may name no more than the trace: all of them name the send."""
    b3.receive([("b3-trace", b"07"), ("b3-span", b"09")])
    first = b3.open
    b3.receive([("b3-trace", b"07"), ("b3-span", b"0a")])
    b3.ask()
    forwarded = [("b3-trace", bytes(bytearray(b"07"))), ("b3-span", "09")]
    assert b3.send(headers=forwarded).parent_id == first.span_id
    unknown = [("b3-trace", bytes(bytearray(b"07"))), ("b3-span", bytes(bytearray(b"0b")))]
    assert b3.send(headers=unknown).parent_id == span_id(0x0B)


def test_our_header_alone_is_enough(make: type[World], monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_PROPAGATORS=none, or somebody dropped the trace context."""
    monkeypatch.setattr(propagate, "get_global_textmap", lambda: CompositePropagator([]))
    world = make()
    span = world.send()
    assert [name for name, _ in span.headers] == [LINEAGE]
    world.receive(span.headers)
    assert world.open.parent_id == span.span_id
