"""Faust applications: every event is one trace that tells the truth, also of who wrote what is read from a table."""

from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from support.run import Stage
from support.scenario import run_both_ways, run_pipeline
from support.truth import Record, assert_lineage

pytest.importorskip("faust", reason="faust-streaming is not installed")

# What each way to pass events on writes, and how many events the application sees of 100.
WAYS = {
    "": (["out"], 100),
    "concurrency": (["out"], 100),
    "two agents": (["out", "other"], 100),
    "soon": (["out"], 100),
    "on commit": (["out"], 100),
    "forward": (["out"], 100),
    "filter": (["out"], 90),
    "sink": (["out"], 100),
    "noack": (["out"], 100),
    "cast": (["out"], 200),
    "take": (["out", "batches"], 100),
    "take_events": (["out"], 100),
}
# On the embedded broker, where a group takes seconds to form; integration/ has all of them.
QUICK = ("two agents", "take")


@pytest.fixture
def broker(broker):
    """The same with two partitions a topic."""
    return replace(broker, partitions=2)


def pipeline(mode, writes, seen):
    source = Stage("source", writes=["orders"], count=100)
    return [source, Stage("faust_streams", ["orders"], writes, mode=mode, count=seen)]


def lineage_of(made, spans):
    """Hold the spans against the truth; the library's own changelogs hold no truth."""
    return assert_lineage(made, [span for span in spans if not to_changelog(span)])


def to_changelog(span):
    return span.kind == "PRODUCER" and span.attributes["messaging.destination.name"].endswith("-changelog")


def assert_connected(mode, broker, receiver):
    """A hundred events, a hundred traces with the true edges; the output is that without the agent."""
    writes, seen = WAYS[mode]
    outcome = run_both_ways(pipeline(mode, writes, seen), broker, receiver)
    traced = lineage_of(outcome.made, outcome.spans)
    assert len({span.trace_id for span in traced.spans.values()}) == 100
    assert not outcome.finished["faust_streams"].stderr


@pytest.mark.parametrize("mode", QUICK)
def test_each_way_gives_connected_traces(mode, broker, receiver):
    """However events are passed on, theirs is the cause."""
    assert_connected(mode, broker, receiver)


@pytest.mark.parametrize("mode", ["group_by"])
def test_events_take_another_topic(mode, broker, receiver):
    """What the library sends to a topic of its own making is a hop like any other."""
    assert_rerouted(mode, broker, receiver)


def assert_rerouted(mode, broker, receiver):
    """The topic in between is the library's, and the values in it are those from before."""
    outcome = run_both_ways(pipeline(mode, ["out", "between"], 100), broker, receiver)
    lineage_of([rerouted(made, outcome.topics) for made in outcome.made], outcome.spans)


def rerouted(made, topics):
    """A record on its way through another topic has the value of the one before, and is the cause of what is made of it."""
    if made.record.topic == topics.full("between"):
        return replace(made, id=f"{made.id} again", causes=frozenset([made.id]))
    return replace(made, causes=frozenset(f"{cause} again" for cause in made.causes))


@pytest.mark.parametrize(("store", "mode"), [("memory", "windows"), ("rocksdb", "items")])
def test_a_table_knows_who_wrote_what_is_read(store, mode, broker, receiver, tmp_path):
    """Five keys, twenty events each: every get links to the true writer, every scan to those of all that it read."""
    assert_writers(store, mode, broker, receiver, tmp_path)


def assert_writers(store, mode, broker, receiver, tmp_path):
    """All of them are found, and no other."""
    needs(store)
    source = Stage("source", writes=["orders"], count=100)
    counter = replace(day(1, store, tmp_path), mode=mode)
    outcome = run_pipeline([source, counter], broker, receiver)
    traced = lineage_of(outcome.made, outcome.spans)
    assert Counter(span.name for span in traced.spans.values())["put totals"] == 100
    assert_reads(traced, outcome.made, outcome.finished["faust_table"].lines)
    assert_changelog(outcome.spans, 100)


def needs(store):
    if store == "rocksdb":
        pytest.importorskip("rocksdict", reason="rocksdict is not installed: Faust keeps tables in RocksDB with it")


def day(number, store, folder, **settings):
    """The counting application on one of its days."""
    folder.mkdir(exist_ok=True)
    settings = {"APP_STORE": f"{store}://", "APP_DATADIR": str(folder), **settings}
    return Stage("faust_table", ["orders"], [f"out{number}"], count=100, settings=settings)


def assert_reads(traced, made, lines, unseen="nobody"):
    """Each read links to the put of the event whose value the application says it was, unless nobody knows."""
    ids = {each.record: each.id for each in made}
    reads = defaultdict(list)
    for span in traced.spans.values():
        if span.name in ("get totals", "scan totals"):
            reads[traced.nearest(span.key), span.name.split()[0]].append(span)
    expected = defaultdict(list)
    for line in lines:
        record = Record(line["topic"], line["partition"], line["offset"])
        expected[record].append([line["read"]] if line["read"] and not line["read"].startswith(unseen) else [])
        if line.get("every") is not None:
            assert wrote(traced, ids, reads[record, "scan"]) == line["every"], line
    assert expected
    for record, each in expected.items():
        # An event that was delivered twice was read for twice.
        assert sorted(wrote(traced, ids, [get]) for get in reads[record, "get"]) == sorted(each), record


def assert_counted(lines):
    """No day began anew: each key was counted on from where it was."""
    counts = defaultdict(list)
    for line in lines:
        if not line["again"]:
            counts[line["key"]].append(line["count"])
    assert all(count == list(range(len(count))) for count in counts.values()), counts
    assert len(counts) == 5
    assert len(lines) > 100


def wrote(traced, ids, reads):
    """Whose puts these reads link to."""
    links = [link for span in reads for link in span.links]
    assert all(link.role == "state" for link in links)
    assert all(traced.spans[link.key].name == "put totals" for link in links)
    return sorted(ids[traced.nearest(link.key)] for link in links)


def assert_changelog(spans, puts):
    """Each change is sent to the changelog, and delivered."""
    sends = [span for span in spans if to_changelog(span)]
    assert len(sends) == puts
    assert all("messaging.kafka.offset" in span.attributes for span in sends)
