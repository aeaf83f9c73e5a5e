"""Quix Streams on real Kafka: state, windows and joins are in the trace, whatever happens to the process in between."""

import importlib.util
import json
import time

import pytest
from support.run import Agent, Stage, run_stages, start
from support.scenario import Outcome, run_pipeline
from support.states import read_problems, state_spans
from support.truth import Traced, is_process, made_records, problems, record_of, traced_edges, true_edges

pytestmark = pytest.mark.skipif(importlib.util.find_spec("quixstreams") is None, reason="quixstreams is not installed")

ORDERS = Stage("source", writes=["orders"])
CLOCKED = Stage("clocked", writes=["orders"], count=60)


def quix(app, reads, writes, state, mode="", **more):
    settings = {"APP_STATE": str(state), "APP_IDLE": "5", **more.pop("settings", {})}
    return Stage(app, reads, writes, mode=mode, settings=settings, **more)


def changelogs(spans):
    return [span for span in spans if "changelog__" in span.name]


def events(spans):
    """What belongs to the events themselves: the library keeps books in changelogs, too, for no event in particular."""
    return [span for span in spans if "changelog__" not in span.name]


def edge_problems(outcome):
    """Direct causes, missing or false."""
    traced = Traced.by(outcome.spans)
    truth, claim = true_edges(outcome.made), traced_edges(outcome.made, traced)
    missing = [f"missing: {edge}" for edge in sorted(truth.certain - claim.certain)]
    return [*missing, *(f"false: {edge}" for edge in sorted(claim.certain - truth.certain)), *map(str, claim.possible)]


def test_a_count_per_key(broker, receiver, tmp_path):
    """Every step and state operation, every read linked to the true writer, every event one trace."""
    stages = [ORDERS, quix("quix_count", ["orders"], ["counts"], tmp_path, "expand")]
    outcome = run_pipeline(stages, broker, receiver)
    assert problems(outcome.made, events(outcome.spans)) == []
    assert read_problems(outcome.topics.messages(), outcome.made, outcome.spans) == []
    assert {span.attributes["db.operation.name"] for span in state_spans(outcome.spans)} >= {"get", "put", "exists"}
    names = {span.name for span in outcome.spans if "lineage.step" in span.attributes}
    assert names == {"keep", "note", "count", "twice", "lambda"}
    puts = {span.key for span in state_spans(outcome.spans, "put", "delete")}
    assert all(span.parent_key in puts for span in changelogs(outcome.spans) if span.kind == "PRODUCER")


WINDOWS = ("tumbling final", "tumbling current", "hopping final", "hopping current", "session final", "session current")
WINDOWS += ("tumbling final partition", "session final partition", "sliding final", "sliding current")


@pytest.mark.parametrize("mode", WINDOWS)
def test_windows_know_all_contributors(broker, receiver, tmp_path, mode):
    """The message that triggered a result, and every one that it is made of; none besides."""
    stages = [CLOCKED, quix("quix_windows", ["orders"], ["results"], tmp_path, mode)]
    outcome = run_pipeline(stages, broker, receiver)
    assert len(outcome.made) > 60
    assert edge_problems(outcome) == []


@pytest.mark.parametrize("mode", ["interval", "as of", "left"])
def test_joins_know_both_sides(broker, receiver, tmp_path, mode):
    """Whichever came later."""
    stages = [
        Stage("clocked", writes=["left"], count=30, name="left", mode="later"),
        Stage("clocked", writes=["right"], count=30, name="right"),
        quix("quix_joins", ["left", "right"], ["pairs"], tmp_path, mode),
    ]
    outcome = run_pipeline(stages, broker, receiver)
    assert len(outcome.made) > 60
    assert edge_problems(outcome) == []


class Runs:
    """One counter that is started again and again, over the same topics."""

    def __init__(self, broker, receiver):
        self.topics = broker.topics("orders", "counts")
        self.receiver = receiver
        self.agent = Agent.reporting_to(receiver)

    def run(self, source, state, mode="", **more):
        """New orders, and the counter until it has handled them."""
        counter = quix("quix_count", ["orders"], ["counts"], state, mode, name="counter", **more)
        orders = Stage("source", writes=["orders"], name=source, bare=more.get("bare", False))
        return run_stages([orders, counter], self.topics, self.agent)

    def problems(self, unseen="nobody"):
        return read_problems(self.topics.messages(), made_records(self.topics), self.receiver.spans, unseen)

    def counts(self):
        """The highest count of each customer: all of them, if nothing was forgotten."""
        found = {}
        for message in self.topics.broker.read([self.topics.full("counts")]):
            found.setdefault(message.key(), set()).add(json.loads(message.value())["count"])
        return found


@pytest.mark.parametrize("wiped", [False, True], ids=["same directory", "from the changelog"])
def test_writers_survive_a_restart(broker, receiver, tmp_path, wiped):
    """What was read after it was written before: on the same disk, or recovered into an empty directory."""
    runs = Runs(broker, receiver)
    runs.run("one", tmp_path / "a")
    runs.run("two", tmp_path / ("b" if wiped else "a"))
    assert runs.problems() == []
    assert {max(counts) for counts in runs.counts().values()} == {8}


@pytest.mark.parametrize("wiped", [False, True], ids=["same directory", "from the changelog"])
def test_state_is_the_same_with_and_without_the_agent(broker, receiver, tmp_path, wiped):
    """Agent, none, agent: every count goes on; what was written without has no writer."""
    runs = Runs(broker, receiver)
    runs.run("one", tmp_path / "a")
    runs.run("two", tmp_path / ("b" if wiped else "a"), bare=True)
    runs.run("three", tmp_path / ("c" if wiped else "a"))
    assert runs.problems(unseen="two") == []
    assert set(map(frozenset, runs.counts().values())) == {frozenset(range(1, 13))}


def test_an_aborted_transaction_leaves_no_writer(broker, receiver, tmp_path):
    """Exactly once: the counter fails in the middle of a transaction, starts again, and handles the same messages again."""
    runs = Runs(broker, receiver)
    settings = {"APP_STATE": str(tmp_path), "APP_IDLE": "5", "APP_GUARANTEE": "exactly-once"}
    counter = Stage("quix_count", ["orders"], ["counts"], mode="fail", name="counter", settings=settings)
    run_stages([Stage("source", writes=["orders"], name="one")], runs.topics, runs.agent)
    assert start(counter.app, counter.environment(runs.topics), runs.agent, service="counter").finish().code != 0
    first = {span.key for span in runs.receiver.spans}
    runs.run("two", tmp_path, settings=settings)
    assert runs.problems() == []
    traced = Traced.by(runs.receiver.spans)
    again = {record for record, spans in traced.processes.items() if len(spans) > 1}
    assert again
    later = [span for span in state_spans(runs.receiver.spans, "get") if span.key not in first]
    undone = [link for span in later for link in span.links if link.key in first and traced.nearest(link.key) in again]
    assert undone == []


def test_writers_go_along_when_partitions_do(broker, receiver, tmp_path):
    """A second process takes over some partitions while events flow: it recovers them from the changelog."""
    runs = Runs(broker, receiver)
    counters = [
        quix("quix_count", ["orders"], ["counts"], tmp_path / name, name="counter", settings={"APP_IDLE": "12"})
        for name in ("a", "b")
    ]
    running = [start(each.app, each.environment(runs.topics), runs.agent, service="counter") for each in counters[:1]]
    run_stages([Stage("source", writes=["orders"], name="one")], runs.topics, runs.agent)
    time.sleep(6)
    running += [start(each.app, each.environment(runs.topics), runs.agent, service="counter") for each in counters[1:]]
    for name in ("two", "three", "four"):
        time.sleep(3)
        run_stages([Stage("source", writes=["orders"], name=name)], runs.topics, runs.agent)
    assert [each.finish(90).code for each in running] == [0, 0]
    assert runs.problems() == []
    assert all(counts >= set(range(1, 17)) for counts in runs.counts().values())
    instances = {span.resource["service.instance.id"] for span in state_spans(runs.receiver.spans)}
    assert len(instances) == 2


def test_a_sink_is_flushed_in_one_span(broker, receiver, tmp_path):
    """It links to every message that it writes; the last one is its parent."""
    stages = [ORDERS, quix("quix_sink", ["orders"], [], tmp_path)]
    outcome = run_pipeline(stages, broker, receiver)
    traced = Traced.by(outcome.spans)
    ids = {each.record: each.id for each in outcome.made}
    flushes = [span for span in outcome.spans if span.name == "flush Printed"]
    told = [
        {ids[traced.nearest(key)] for key in (span.parent_key, *(link.key for link in span.links))} for span in flushes
    ]
    assert sorted(each for some in told for each in some) == sorted(ids.values())
    assert [span.attributes["lineage.input.count"] for span in flushes] == [len(some) for some in told]
    written = [set(line["ids"]) for line in outcome.finished["quix_sink"].lines]
    assert all(any(some <= one for one in told) for some in written)


@pytest.mark.parametrize("suppressed", ["state,step", "state"])
def test_lineage_goes_on_without_the_spans(broker, receiver, tmp_path, suppressed):
    """The spans around those that are left out carry the links; changelogs can be left out as topics."""
    stages = [ORDERS, quix("quix_count", ["orders"], ["counts"], tmp_path)]
    settings = {"LINEAGE_SPANS_SUPPRESS": f"{suppressed},poll,commit", "LINEAGE_TOPICS_EXCLUDE": "changelog__*"}
    outcome = run_pipeline(stages, broker, receiver, **settings)
    assert problems(outcome.made, outcome.spans) == []
    assert state_spans(outcome.spans) == changelogs(outcome.spans) == []
    steps = {span.name for span in outcome.spans if "lineage.step" in span.attributes}
    assert steps == (set() if "step" in suppressed else {"keep", "note", "count", "twice", "lambda"})
    traced, ids = Traced.by(outcome.spans), {each.record: each.id for each in outcome.made}
    linked = {}
    for span in outcome.spans:
        found = {ids[traced.nearest(link.key)] for link in span.links if link.role == "state"}
        if found:
            linked.setdefault(ids[traced.nearest(span.key)], set()).update(found)
    told = [json.loads(message.value()) for message in outcome.topics.messages()]
    assert linked == {each["from"][0]: {each["read"]} for each in told if each.get("read")}


def test_a_source_and_a_new_key(broker, receiver, tmp_path):
    """What a source makes in its own process enters there; grouping by another key is one more hop of the same trace."""
    outcome = run_pipeline([quix("quix_source", [], ["events", "grouped"], tmp_path)], broker, receiver)
    traced, ids = Traced.by(outcome.spans), {each.record: each.id for each in outcome.made}
    grouped = [each for each in outcome.made if not each.is_root]
    assert len(grouped) == len(outcome.made) / 2 == 20
    for each in grouped:
        hops = [
            record for span in traced.chain(traced.send_of(each)) if (record := record_of(span)) and is_process(span)
        ]
        assert [ids.get(record) for record in hops] == [None, *each.causes]
        assert hops[0].topic.startswith("repartition__")
    assert len({span.trace_id for span in outcome.spans}) == 20


@pytest.mark.parametrize("wiped", [False, True], ids=["same directory", "from the changelog"])
@pytest.mark.parametrize("mode", ["tumbling current", "hopping final", "sliding current", "session final"])
def test_windows_survive_a_restart(broker, receiver, tmp_path, mode, wiped):
    """What was in a window before is among its contributors afterwards."""
    topics, agent = broker.topics("orders", "results"), Agent.reporting_to(receiver)
    for name, first, count in (("a", 0, 9), ("b" if wiped else "a", 9, 40)):
        clock = Stage("clocked", writes=["orders"], mode=f"from {first}", count=count, name="clock")
        run_stages([clock, quix("quix_windows", ["orders"], ["results"], tmp_path / name, mode)], topics, agent)
    outcome = Outcome({}, made_records(topics), receiver.spans, topics, [])
    assert len(outcome.made) > 49
    assert edge_problems(outcome) == []
