"""What each setting does to a small pipeline: orders through one application, to a sink."""

import hashlib
import hmac
import json
import os
from collections import Counter
from dataclasses import replace

import pytest
from support.otlp import spans_in_file
from support.run import Agent, Stage, start
from support.scenario import run_both_ways, run_pipeline
from support.truth import OWN_HEADERS, Traced, assert_lineage, is_process, traced_edges, true_edges

SOURCE, MIDDLE, SINK = Stage("source", writes=["orders"]), Stage("poll", ["orders"], ["out"]), Stage("sink", ["out"])
SMALL = [SOURCE, MIDDLE, SINK]
OFF, FOLLOW_OFF = {"OTEL_TRACES_SAMPLER": "always_off"}, {"OTEL_TRACES_SAMPLER": "parentbased_always_off"}


def names(outcome):
    """The spans by name, without the prefixes of the topics."""
    return Counter(span.name.replace(outcome.topics.prefix, "") for span in outcome.spans)


def carried(outcome, header):
    """The records' headers of this name, by topic: a list of values for each record."""
    found = {}
    for made in outcome.made:
        values = [value for name, value in made.headers if name == header]
        found.setdefault(outcome.topics.short(made.record.topic), []).append(values)
    return found


def trace_of(made):
    return dict(made.headers)["traceparent"].decode().split("-")[1]


# --- sampling


def test_a_sampler_that_takes_nothing_leaves_the_headers(broker, receiver):
    """Nothing is recorded, yet each record says which trace it is in, that it was not sampled, and is counted."""
    outcome = run_both_ways(SMALL, broker, receiver, **FOLLOW_OFF, OTEL_METRICS_EXPORTER="otlp")
    assert outcome.spans == []
    assert sum(point.total for point in receiver.points if point.metric == "messaging.client.sent.messages") == 40
    traces = Counter(map(trace_of, outcome.made))
    assert len(traces) == 20
    assert set(traces.values()) == {2}
    assert all(value.endswith(b"-00") for topic in carried(outcome, "traceparent").values() for (value,) in topic)


def test_a_ratio_takes_whole_traces(broker, receiver):
    """What is sampled is sampled in every application, and complete."""
    outcome = run_both_ways(SMALL, broker, receiver, OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.5")
    recorded = {span.trace_id for span in outcome.spans}
    assert 0 < len(recorded) < 20
    made = [each for each in outcome.made if trace_of(each) in recorded]
    assert_lineage(made, outcome.spans)
    assert set(Counter(span.trace_id for span in outcome.spans).values()) == {4}


def test_what_upstream_did_not_sample_can_be_recorded(broker, receiver):
    """Lineage is complete from the first application on that is told to."""
    stages = [replace(SOURCE, settings=OFF), *(replace(each, settings=RECORD) for each in (MIDDLE, SINK))]
    outcome = run_both_ways(stages, broker, receiver)
    assert names(outcome) == {"process orders": 20, "send out": 20, "process out": 20}
    assert {span.trace_id for span in outcome.spans} == set(map(trace_of, outcome.made))


RECORD = {"LINEAGE_RECORD_UNSAMPLED": "true"}


def test_a_sampler_of_another_package(broker, receiver, tmp_path):
    """Found by its entry point and asked for each span; its attributes are on the spans."""
    (tmp_path / "audit_sampler.py").write_text(SAMPLER)
    package = tmp_path / "audit_sampler-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: audit-sampler\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[opentelemetry_traces_sampler]\naudit = audit_sampler:make\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    stages = [replace(stage, settings={"PYTHONPATH": path}) for stage in SMALL]
    outcome = run_both_ways(stages, broker, receiver, OTEL_TRACES_SAMPLER="audit", OTEL_TRACES_SAMPLER_ARG="out")
    assert names(outcome) == {"send orders": 20, "process orders": 20}
    assert {span.attributes["audited"] for span in outcome.spans} == {span.name for span in outcome.spans}
    assert len(carried(outcome, "traceparent")["out"]) == 20


SAMPLER = """
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

class Audit(Sampler):
    def __init__(self, argument):
        self.unwanted = argument

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None):
        unwanted = attributes["messaging.destination.name"].endswith(self.unwanted)
        return SamplingResult(Decision.DROP if unwanted else Decision.RECORD_AND_SAMPLE, {"audited": name})

    def get_description(self):
        return "Audit"

make = Audit
"""


# --- who else sees the spans


def test_an_application_that_sets_up_opentelemetry_itself(broker, receiver):
    """Its own provider, sampler and exporter get the spans, and the lineage is complete."""
    stages = [SOURCE, Stage("in_code", ["orders"], ["out"], launched=False), SINK]
    traced = run_pipeline(stages, broker, receiver).assert_lineage()
    theirs = [span for span in traced.spans.values() if span.service == "in_code"]
    assert {span.attributes["audited"] for span in theirs} == {span.name for span in theirs}


def test_a_span_processor_of_the_application(broker, receiver):
    """It sees every span start and end, and what it adds is exported."""
    stages = [SOURCE, Stage("own_processor", ["orders"], ["out"]), SINK]
    traced = run_pipeline(stages, broker, receiver).assert_lineage()
    theirs = [span for span in traced.spans.values() if span.service == "own_processor"]
    assert {span.attributes.get("own") for span in theirs} == {"was here"}


def test_the_console_exporter_beside_ours(broker, receiver):
    """OpenTelemetry's own exporter prints what ours sends."""
    topics = broker.topics("orders")
    agent = Agent.reporting_to(receiver, OTEL_TRACES_EXPORTER="console,otlp")
    printed = start("source", SOURCE.environment(topics), agent, service="source").finish().stdout
    spans = json.loads("[" + printed.replace("}\n{", "},\n{") + "]")
    assert len(spans) == 20
    assert {(each["context"]["span_id"], each["name"], each["kind"]) for each in spans} == {
        (f"0x{span.span_id}", span.name, f"SpanKind.{span.kind}") for span in receiver.spans
    }


def test_a_file_instead_of_a_receiver(broker, receiver, tmp_path):
    """Every process writes to the same file, and together they tell the lineage."""
    settings = {"OTEL_TRACES_EXPORTER": "lineage_file", "LINEAGE_FILE_PATH": str(tmp_path / "spans.jsonl")}
    outcome = run_both_ways(SMALL, broker, receiver, **settings)
    assert outcome.spans == []
    replace(outcome, spans=spans_in_file(tmp_path / "spans.jsonl")).assert_lineage()


def test_metrics(broker, receiver):
    """How many messages were sent and consumed, by topic, and how long that took."""
    outcome = run_both_ways(SMALL, broker, receiver, OTEL_METRICS_EXPORTER="otlp")

    def counted(metric):
        points = [point for point in receiver.points if point.metric == metric]
        return {
            (point.service, outcome.topics.short(point.attributes["messaging.destination.name"])): (
                point.count or point.total
            )
            for point in points
        }

    assert counted("messaging.client.sent.messages") == {("source", "orders"): 20, ("poll", "out"): 20}
    assert counted("messaging.client.consumed.messages") == {("poll", "orders"): 20, ("sink", "out"): 20}
    assert counted("messaging.process.duration") == {("poll", "orders"): 20, ("sink", "out"): 20}
    assert counted("messaging.client.operation.duration") == {("source", "orders"): 20, ("poll", "out"): 20}
    durations = [point for point in receiver.points if point.metric.endswith("duration") and point.count]
    assert all(point.unit == "s" and 0 < point.total < 60 for point in durations)


# --- what is left out


def test_topics_that_are_excluded(broker, receiver):
    """Nothing is recorded of them and no header added; the others are traced as ever."""
    stages = [SOURCE, replace(MIDDLE, writes=["out", "private"]), Stage("sink", ["out", "private"], count=40)]
    outcome = run_both_ways(stages, broker, receiver, LINEAGE_TOPICS_EXCLUDE="other,*-private")
    private = outcome.topics.full("private")
    assert {made.headers for made in outcome.made if made.record.topic == private} == {()}
    assert_lineage([made for made in outcome.made if made.record.topic != private], outcome.spans)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("process", {"send orders": None, "send out": "send orders"}),
        ("send", {"process orders": None, "process out": "process orders"}),
    ],
)
def test_suppressed_spans_do_not_break_the_trace(kind, expected, broker, receiver):
    """Without one kind of span, the others of an event still are one trace."""
    outcome = run_both_ways(SMALL, broker, receiver, LINEAGE_SPANS_SUPPRESS=f"{kind},poll,commit")
    spans = {span.key: span for span in outcome.spans}

    def short(span):
        return span and span.name.replace(outcome.topics.prefix, "")

    parents = Counter((short(span), short(spans.get(span.parent_key))) for span in spans.values())
    assert parents == dict.fromkeys(expected.items(), 20)
    assert all(span.parent_id is None or span.parent_key in spans for span in spans.values())


# --- headers


@pytest.mark.parametrize("setting", ["on", "off", "hidden"])
def test_our_header(setting, broker, receiver):
    """On, not written, or written and hidden from the application: the lineage is the same."""
    outcome = run_both_ways(SMALL, broker, receiver, LINEAGE_HEADER=setting)
    outcome.assert_lineage()
    written = 0 if setting == "off" else 1
    for topic in carried(outcome, "lineage-context").values():
        assert {len(values) for values in topic} == {written}
    seen = {name for each in outcome.finished.values() for line in each.lines for name, _ in line["headers"]}
    assert seen == {"traceparent"} | ({"lineage-context"} if setting == "on" else set())


def test_headers_that_are_captured_and_handed_on(broker, receiver):
    """Those that are asked for, and no others."""
    stages = [replace(SOURCE, mode="with headers"), MIDDLE, SINK]
    settings = {"LINEAGE_HEADERS_CAPTURE": "tenant*", "LINEAGE_HEADERS_PROPAGATE": "tenant"}
    outcome = run_pipeline(stages, broker, receiver, **settings)
    traced = outcome.assert_lineage()
    foreign = {
        (outcome.topics.short(made.record.topic), *(pair for pair in made.headers if pair[0] not in OWN_HEADERS))
        for made in outcome.made
    }
    tenant, region, secret = ("tenant", b"acme"), ("tenant-region", b"eu"), ("secret", b"s3cr3t")
    assert foreign == {("orders", tenant, region, secret), ("out", tenant)}
    for process in (span for spans in traced.processes.values() for span in spans):
        captured = {name: value for name, value in process.attributes.items() if name.startswith("messaging.header.")}
        both = {"messaging.header.tenant": ["acme"], "messaging.header.tenant-region": ["eu"]}
        assert captured == (both if process.name.endswith("orders") else {"messaging.header.tenant": ["acme"]})
    assert "s3cr3t" not in str(outcome.spans)


@pytest.mark.parametrize("setting", ["off", "plain", "hashed"])
def test_keys(setting, broker, receiver):
    """Recorded only as asked for."""
    outcome = run_both_ways(SMALL, broker, receiver, LINEAGE_KEYS=setting, LINEAGE_KEYS_SECRET="pepper")
    keys = {f"customer-{number}" for number in range(5)}
    hashed = {hmac.new(b"pepper", key.encode(), hashlib.sha256).hexdigest()[:32] for key in keys}
    recorded = {span.attributes.get("messaging.kafka.message.key") for span in outcome.spans}
    assert recorded == {"off": {None}, "plain": keys, "hashed": hashed}[setting]
    outcome.assert_lineage()


def test_no_trace_goes_on_for_ever(broker, receiver):
    """A retry topic that feeds itself starts a new trace every few hops, linked to the one before, and no edge is lost."""
    stages = [replace(SOURCE, count=5), Stage("pingpong", ["orders"], count=5)]
    outcome = run_both_ways(stages, broker, receiver, LINEAGE_MAX_HOPS="4")
    traced = Traced.by(outcome.spans)
    assert traced_edges(outcome.made, traced) == true_edges(outcome.made)
    lengths = Counter(span.trace_id for span in traced.sends.values())
    assert sum(lengths.values()) == 50
    assert max(lengths.values()) <= 5
    later = [span for span in traced.spans.values() if span.parent_id is None and is_process(span)]
    assert len(later) == len({span.trace_id for span in traced.spans.values()}) - 5 >= 10
    for span in later:
        (link,) = span.links
        assert link.role == "continued"
        assert traced.nearest(link.key) == traced.nearest(span.key)
