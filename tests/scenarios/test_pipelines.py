"""Pipelines of three hops, each in its own style: every event is one connected trace that tells the truth."""

import base64

import pytest
from support.run import Stage
from support.scenario import run_both_ways
from support.truth import Traced, traced_edges, true_edges

SOURCE = Stage("source", writes=["orders"])

STYLES = {
    "poll": ("poll", ""),
    "consume": ("consume", ""),
    "serializing": ("serializing", ""),
    "cimpl import": ("cimpl_import", ""),
    "subclass": ("subclass", ""),
    "headers as they are": ("forward_headers", "as is"),
    "headers copied": ("forward_headers", "copied"),
    "headers in a dict": ("forward_headers", "dict"),
    "headers in a batch": ("forward_headers", "batch"),
    "thread pool": ("thread_pool", ""),
    "thread in handler": ("thread_in_handler", ""),
    "run_in_executor": ("asyncio_loop", "executor"),
    "run_in_executor, tasks": ("asyncio_loop", "executor, tasks"),
    "to_thread": ("asyncio_loop", "to_thread"),
    "to_thread, tasks": ("asyncio_loop", "to_thread, tasks"),
    "aio": ("aio", ""),
    "aio consume": ("aio", "consume"),
    "aio with headers": ("aio", "headers"),
    "aio serializing": ("aio_serializing", ""),
    "user span": ("user_span", ""),
}
# On the embedded broker; integration/ has all of them.
QUICK = ("poll", "consume", "serializing", "cimpl import", "subclass", "thread pool", "aio", "aio with headers")
QUICK += ("headers as they are", "headers in a batch")


def three_hops(app, mode=""):
    """Orders through two applications of a style, to a sink."""
    return [
        SOURCE,
        Stage(app, ["orders"], ["enriched"], mode=mode, name="enrich"),
        Stage(app, ["enriched"], ["priced"], mode=mode, name="price"),
        Stage("sink", ["priced"]),
    ]


def assert_connected(style, broker, receiver):
    """Twenty events through three hops give twenty traces with the true edges; the output is that without the agent."""
    traced = run_both_ways(three_hops(*STYLES[style]), broker, receiver).assert_lineage()
    assert len({span.trace_id for span in traced.spans.values()}) == 20


@pytest.mark.parametrize("style", QUICK)
def test_each_style_gives_connected_traces(style, broker, receiver):
    """Twenty events through three hops give twenty connected, true traces and the same output."""
    assert_connected(style, broker, receiver)


def test_fan_out(broker, receiver):
    """One message becomes three in three topics, each an effect of it."""
    outs = ["billing", "shipping", "mail"]
    stages = [
        SOURCE,
        Stage("poll", ["orders"], ["enriched"], name="enrich"),
        Stage("poll", ["enriched"], outs, name="fan-out"),
        Stage("sink", outs, count=60),
    ]
    run_both_ways(stages, broker, receiver).assert_lineage()


def test_produce_batch(broker, receiver):
    """Records produced in one call carry their cause like any other."""
    stages = [SOURCE, Stage("produce_batch", ["orders"], ["halves"]), Stage("sink", ["halves"], count=40)]
    run_both_ways(stages, broker, receiver).assert_lineage()


def test_retries_and_dead_letters(broker, receiver):
    """A message stays in its trace through a retry topic and into the dead letters."""
    topics = ["out", "retry", "dead"]
    stages = [
        SOURCE,
        Stage("retry", ["orders", "retry"], topics, count=25),
        Stage("sink", ["out", "dead"], count=20),
    ]
    run_both_ways(stages, broker, receiver).assert_lineage()


def test_two_groups_in_one_process(broker, receiver):
    """Each group's send descends from its own group's process span."""
    stages = [SOURCE, Stage("two_groups", ["orders"], ["a", "b"]), Stage("sink", ["a", "b"], count=40)]
    outcome = run_both_ways(stages, broker, receiver)
    traced = outcome.assert_lineage()
    for made in outcome.made:
        if made.record.topic != outcome.topics.full("orders"):
            process = next(traced.chain(traced.send_of(made)))
            assert process.attributes["messaging.consumer.group.name"].endswith(made.record.topic)


def test_a_trace_begins_at_the_users_span(broker, receiver):
    """A record sent within a web request's span belongs to the request's trace."""
    stages = [Stage("web", writes=["orders"]), Stage("poll", ["orders"], ["out"]), Stage("sink", ["out"])]
    traced = run_both_ways(stages, broker, receiver).assert_lineage()
    roots = [span for span in traced.spans.values() if span.parent_id is None]
    assert {span.name for span in roots} == {"POST /orders"}


@pytest.mark.parametrize(
    ("hops", "traces"), [({"source"}, 20), ({"poll"}, 40), ({"sink"}, 20), ({"source", "sink"}, 20)]
)
def test_applications_without_the_agent_in_between(hops, traces, broker, receiver):
    """Where some applications run without the agent, those that run with it tell what they can and invent no edge."""
    stages = [
        Stage("source", writes=["orders"], bare="source" in hops),
        Stage("poll", ["orders"], ["out"], bare="poll" in hops),
        Stage("sink", ["out"], bare="sink" in hops),
    ]
    traced = run_both_ways(stages, broker, receiver).assert_lineage()
    assert len({span.trace_id for span in traced.spans.values()}) == traces


def test_an_application_without_the_agent_that_forwards_headers(broker, receiver):
    """The event stays in its trace: what is processed behind that hop descends from the send before it."""
    stages = [
        SOURCE,
        Stage("forward_headers", ["orders"], ["out"], mode="as is", bare=True),
        Stage("poll", ["out"], ["end"]),
        Stage("sink", ["end"]),
    ]
    outcome = run_both_ways(stages, broker, receiver)
    traced = outcome.assert_lineage()
    sends = {made.id: traced.send_of(made) for made in outcome.made if made.is_root}
    for made in outcome.made:
        if made.record.topic == outcome.topics.full("out"):
            (process,) = traced.processes[made.record]
            (cause,) = made.causes
            assert sends[cause].key in [span.key for span in traced.chain(process)]
    assert len({span.trace_id for span in traced.spans.values()}) == 20


@pytest.mark.parametrize("bare_source", [True, False])
def test_hostile_headers_reach_the_application_unchanged(bare_source, broker, receiver):
    """Binary, doubled, long, missing and misleading headers arrive as they were sent, forwarded ones too."""
    stages = [
        Stage("hostile", writes=["orders"], count=48, bare=bare_source),
        Stage("forward_headers", ["orders"], ["out"], count=48, mode="as is"),
        Stage("sink", ["out"], count=48),
    ]
    outcome = run_both_ways(stages, broker, receiver)
    if bare_source:
        # Where no send span is named, a header's value must be somebody's very own to be evidence.
        truth, claim = true_edges(outcome.made), traced_edges(outcome.made, Traced.by(outcome.spans))
        assert not claim.possible
        assert claim.certain <= truth.certain
        assert len(claim.certain) >= 30
    else:
        outcome.assert_lineage()
    sent = {made.record: [[name, shown(value)] for name, value in made.headers] for made in outcome.made}
    for line in (line for each in outcome.finished.values() for line in each.lines):
        assert line["headers"] == sent[line["topic"], line["partition"], line["offset"]]


def shown(value):
    """A header's value as the applications print it."""
    try:
        return value.decode() if value is not None else None
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}
