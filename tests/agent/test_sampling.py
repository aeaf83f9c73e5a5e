"""Sampling: compiled decisions are the samplers' own, and any other sampler is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    StaticSampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from support.memory import World, traceparent

from lineage.agent.sampling import Sampling
from lineage.agent.spans import LightSpan, Template, context_of
from lineage.agent.tracing import Tracing
from lineage.model.records import SpanRef

roots = st.one_of(
    st.just(sampling.ALWAYS_ON), st.just(sampling.ALWAYS_OFF), st.builds(TraceIdRatioBased, st.floats(0, 1))
)
samplers = st.one_of(roots, st.builds(ParentBased, roots))
trace_ids = st.binary(min_size=16, max_size=16).filter(any)
span_ids = st.binary(min_size=8, max_size=8).filter(any)
parents = st.none() | st.builds(SpanRef, trace_ids, span_ids, st.booleans(), st.none())


def begun(sampler: Sampler, parent: Any, *, record_unsampled: bool = False) -> LightSpan:
    """A span as it is when it has begun under this sampler."""
    tracing = Tracing(TracerProvider(sampler=sampler, shutdown_on_exit=False), None, record_unsampled=record_unsampled)
    span = LightSpan()
    tracing.begin(span, Template("send orders", SpanKind.PRODUCER, {}), parent, Context(), 1)
    return span


@given(samplers, parents, st.booleans())
def test_compiled_decisions_are_the_samplers_own(sampler: Sampler, parent: Any, remote: bool) -> None:
    """The SDK's built-in samplers, with and without a parent."""
    context = Context()
    if parent is not None:
        context = set_span_in_context(NonRecordingSpan(context_of(parent, remote=remote)), context)
    span = begun(sampler, parent)
    asked = sampler.should_sample(context, span.context.trace_id, "send orders").decision is Decision.RECORD_AND_SAMPLE
    assert Sampling(sampler).other is None
    assert span.sampled == asked


@given(st.sampled_from([0.0, 0.3, 0.999, 1.0]), trace_ids)
def test_a_ratio_decides_as_the_samplers_own(ratio: float, trace_id: bytes) -> None:
    """By the low half of the trace id."""
    sampler = TraceIdRatioBased(ratio)
    asked = sampler.should_sample(Context(), int.from_bytes(trace_id, "big"), "send orders").decision
    assert Sampling(sampler).decide(trace_id) is (asked is Decision.RECORD_AND_SAMPLE)


@given(st.builds(ParentBased, roots), parents.filter(bool))
def test_unsampled_traces_are_recorded_on_demand(sampler: Sampler, parent: Any) -> None:
    """LINEAGE_RECORD_UNSAMPLED: lineage where the upstream trace was not sampled."""
    assert begun(sampler, parent, record_unsampled=True).sampled


@pytest.mark.parametrize(
    "sampler",
    [
        ParentBased(sampling.ALWAYS_ON, remote_parent_not_sampled=sampling.ALWAYS_ON),
        ParentBased(ParentBased(sampling.ALWAYS_ON)),
    ],
)
def test_what_cannot_be_seen_through_is_asked(sampler: Sampler) -> None:
    """Own children, or a root that is not built in."""
    assert Sampling(sampler).other is sampler


def test_record_only_exports_nothing() -> None:
    """It is not sampled."""
    assert not begun(StaticSampler(Decision.RECORD_ONLY), None).sampled


class Asked(Sampler):
    """Samples what has no parent or a sampled one, and remembers the parents."""

    def __init__(self) -> None:
        self.parents: list[SpanContext] = []

    def should_sample(self, parent_context: Any, trace_id: int, name: str, *args: Any, **kwargs: Any) -> SamplingResult:
        parent = get_current_span(parent_context).get_span_context()
        self.parents.append(parent)
        sampled = parent.trace_flags.sampled or not parent.is_valid
        decision = Decision.RECORD_AND_SAMPLE if sampled else Decision.DROP
        return SamplingResult(decision, {"sampler": name, "messaging.system": "x"}, TraceState([("s", "1")]))

    def get_description(self) -> str:
        return "asked"


@pytest.mark.parametrize("sampled", [True, False])
def test_a_custom_sampler_sees_the_parent(make: type[World], sampled: bool) -> None:
    """The send that a message came by, as a remote span; its decision, attributes and trace state count."""
    world = make(TracerProvider(sampler=(asked := Asked())))
    world.receive([("traceparent", traceparent(7, 9, sampled))])
    (parent,) = asked.parents
    assert (parent.trace_id, parent.span_id, parent.is_remote, parent.trace_flags.sampled) == (7, 9, True, sampled)
    assert world.open.sampled is sampled
    assert world.open.attributes["sampler"] == "process orders"
    assert world.open.attributes["messaging.system"] == "kafka"
    assert world.open.state.get("s") == "1"


def test_a_custom_sampler_sees_the_local_parent(make: type[World]) -> None:
    """The message that is handled."""
    world = make(TracerProvider(sampler=(asked := Asked())))
    world.sent()
    world.receive()
    world.sent()
    assert [parent.is_valid for parent in asked.parents] == [False, False, True]
    assert asked.parents[-1] == world.open.get_span_context()


def test_a_custom_sampler_is_overruled_on_demand(make: type[World]) -> None:
    """LINEAGE_RECORD_UNSAMPLED counts for it, too."""
    world = make(TracerProvider(sampler=Asked()), record_unsampled=True)
    world.receive([("traceparent", traceparent(7, 9, False))])
    assert world.open.sampled


def test_what_is_not_sampled_still_propagates(make: type[World]) -> None:
    """Headers say so, and nothing is exported."""
    world = make(TracerProvider(sampler=sampling.ALWAYS_OFF))
    span = world.send()
    (name, value), *_ = span.headers
    span(None, None)
    assert (name, value[-2:]) == ("traceparent", b"00")
    assert world.spans == []
