"""Metrics by the messaging conventions."""

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanKind
from support.memory import span_id, trace_id
from support.receiver import Receiver

from lineage.agent.export.config import build
from lineage.agent.export.metrics import Metrics, install
from lineage.agent.spans import LightSpan, Template


def processed() -> LightSpan:
    span = LightSpan()
    constant = {"messaging.system": "kafka", "messaging.operation.name": "process", "messaging.destination.name": "t"}
    span.template = Template("process t", SpanKind.CONSUMER, {**constant, "messaging.client.id": "many"})
    span.trace_id, span.span_id, span.parent_id = trace_id(1), span_id(2), span_id(3)
    span.start_time, span.end_time = 10**18, 10**18 + 250_000_000
    span.partition = span.offset = span.size = span.timestamp = span.key = None
    return span


def test_without_a_provider_nothing_is_measured():
    """The API's own provider has no readers."""
    exporter = build({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, Resource({}))
    assert type(metrics.get_meter_provider()).__module__.startswith("opentelemetry.metrics")
    assert install(exporter, list, list) is None
    exporter.shutdown(0)


def test_counts_and_durations_are_read():
    """Counters from plain numbers, histograms from ended spans."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("test")
    with Receiver() as receiver:
        exporter = build({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}, Resource({}))
        measured = Metrics(meter, lambda: [(5, {"messaging.destination.name": "t"})], lambda: [(7, {})], exporter)
        exporter.observe(measured.record)
        exporter.add(processed())
        assert exporter.flush(5)
        scope = reader.get_metrics_data().resource_metrics[0].scope_metrics[0]
        points = {metric.name: metric.data.data_points[0] for metric in scope.metrics}
        exporter.shutdown(1)
    assert points["messaging.client.sent.messages"].value == 5
    assert points["messaging.client.consumed.messages"].value == 7
    assert points["lineage.exporter.spans.exported"].value == 1
    assert points["messaging.process.duration"].sum == 0.25
    assert "messaging.client.id" not in points["messaging.process.duration"].attributes
