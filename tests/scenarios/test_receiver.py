"""The receivers themselves, with the SDK's own exporters."""

import json
import math

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind
from support.otlp import Point, spans_in_file
from support.receiver import GrpcReceiver, Receiver


def report_to(exporter):
    """Send a root and its child, which links to the root."""
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("scope")
    with tracer.start_as_current_span(
        "root", kind=SpanKind.PRODUCER, attributes={"n": 7, "s": "x", "l": [1, 2]}
    ) as root:
        links = [Link(root.get_span_context(), {"lineage.role": "input"})]
        with tracer.start_as_current_span("child", links=links):
            pass
    provider.shutdown()


def assert_received(spans):
    child, root = spans
    assert (root.name, root.kind, root.parent_id, root.service, root.scope) == (
        "root",
        "PRODUCER",
        None,
        "shop",
        "scope",
    )
    assert root.attributes == {"n": 7, "s": "x", "l": [1, 2]}
    assert root.start < child.start < child.end < root.end
    assert child.parent_key == root.key
    assert [(link.key, link.role) for link in child.links] == [(root.key, "input")]


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_http(compression):
    """Plain and zipped."""
    with Receiver() as receiver:
        report_to(HttpExporter(f"{receiver.endpoint}/v1/traces", compression=compression))
        assert_received(receiver.spans)
        assert receiver.count() == {"root": 1, "child": 1}


def test_grpc():
    """The same spans over gRPC."""
    with GrpcReceiver() as receiver:
        report_to(GrpcExporter(receiver.endpoint, insecure=True))
        assert_received(receiver.spans)


def test_metrics_are_read_as_their_last_totals():
    """A counter and a histogram, reported twice."""
    with Receiver() as receiver:
        exporter = OTLPMetricExporter(f"{receiver.endpoint}/v1/metrics")
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
        provider = MeterProvider([reader], Resource({"service.name": "shop"}))
        counter = provider.get_meter("scope").create_counter("sold", "1")
        histogram = provider.get_meter("scope").create_histogram("waited", "s")
        for _ in range(2):
            counter.add(2, {"what": "tea"})
            histogram.record(0.5)
            provider.force_flush()
        provider.shutdown()
    sold, waited = receiver.points
    assert sold == Point("sold", "1", "shop", {"what": "tea"}, total=4)
    assert waited == Point("waited", "s", "shop", {}, total=1.0, count=2)


@pytest.mark.parametrize("mode", ["refusing", "hanging", "unavailable"])
def test_bad_receivers_receive_nothing(mode):
    """Each way of being down is one."""
    with Receiver(mode) as receiver:
        report_to(HttpExporter(f"{receiver.endpoint}/v1/traces", timeout=0.2))
        assert receiver.spans == []


def test_a_file_of_json_lines(tmp_path):
    """OTLP JSON has its ids in hexadecimal."""
    span = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "send T", "kind": 4}
    times = {"startTimeUnixNano": "5", "endTimeUnixNano": "6"}
    child = {**span, **times, "spanId": "00f067aa0ba902b7", "parentSpanId": "b7ad6b7169203331"}
    line = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{**span, **times}, child]}]}]})
    (tmp_path / "spans.jsonl").write_text(f"{line}\n{line}\n")
    spans = spans_in_file(tmp_path / "spans.jsonl")
    assert len(spans) == 4
    assert (spans[0].key, spans[0].kind, spans[0].end) == ((span["traceId"], span["spanId"]), "PRODUCER", 6)
    assert spans[1].parent_key == spans[0].key
