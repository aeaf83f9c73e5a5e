"""Metrics by the messaging conventions, when the application has somebody to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation

from lineage.agent.export.backlog import AnySpan
from lineage.agent.export.exporter import Exporter
from lineage.agent.spans import LightSpan
from lineage.model import semconv

METRIC_EXPORTED = "lineage.exporter.spans.exported"
METRIC_DROPPED = "lineage.exporter.spans.dropped"

Count = tuple[int, Mapping[str, Any]]
Counts = Callable[[], Iterable[Count]]
"""Gives the totals since the start, each with the attributes it counts for."""

# The advice of the conventions for durations in seconds.
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_KEPT = (
    semconv.SYSTEM,
    semconv.OPERATION_NAME,
    semconv.DESTINATION,
    semconv.GROUP,
    semconv.SERVER_ADDRESS,
    semconv.SERVER_PORT,
)


def wanted() -> bool:
    """Whether a real meter provider is set: the API's own ones measure nothing."""
    return not type(metrics.get_meter_provider()).__module__.startswith("opentelemetry.metrics")


class Metrics:
    """Counters read from plain numbers, and histograms: these cost each span a few microseconds, where somebody reads them."""

    def __init__(self, meter: Meter, sent: Counts, consumed: Counts, exporter: Exporter) -> None:
        _counter(meter, semconv.METRIC_SENT, "{message}", "Messages that were handed to a producer.", sent)
        _counter(meter, semconv.METRIC_CONSUMED, "{message}", "Messages that the application was given.", consumed)
        _counter(
            meter, METRIC_EXPORTED, "{span}", "Spans that the receiver accepted.", lambda: [(exporter.exported, {})]
        )
        _counter(meter, METRIC_DROPPED, "{span}", "Spans that were given up.", lambda: [(exporter.dropped, {})])
        self._operation = _duration(meter, semconv.METRIC_OPERATION_DURATION, "How long a send, poll or commit took.")
        self._process = _duration(meter, semconv.METRIC_PROCESS_DURATION, "How long a message was handled.")
        # Bounded by the templates there are, which live as long as their clients.
        self._attributes: dict[int, tuple[Any, Histogram | None, dict[str, Any]]] = {}

    def record(self, span: AnySpan) -> None:
        """Record the duration of an ended light span."""
        if isinstance(span, LightSpan):
            self._record(span)

    def _record(self, span: LightSpan) -> None:
        template = span.template
        known = self._attributes.get(id(template))
        if known is None or known[0] is not template:
            known = self._learn(template)
        _, histogram, attributes = known
        if histogram is not None:
            error = (span.extra or {}).get(semconv.ERROR_TYPE)
            seconds = (span.end_time - span.start_time) / 1e9
            histogram.record(seconds, {**attributes, semconv.ERROR_TYPE: error} if error else attributes)

    def _learn(self, template: Any) -> tuple[Any, Histogram | None, dict[str, Any]]:
        attributes = {name: template.attributes[name] for name in _KEPT if name in template.attributes}
        operation = attributes.get(semconv.OPERATION_NAME)
        histogram = self._process if operation == semconv.PROCESS else self._operation
        if len(self._attributes) > 4096:
            self._attributes.clear()
        known = self._attributes[id(template)] = (template, histogram if operation else None, attributes)
        return known


def install(
    exporter: Exporter, sent: Counts, consumed: Counts, untraced: Callable[[], Mapping[str, int]] = dict
) -> Metrics | None:
    """Start measuring if a real meter provider is set; None otherwise. Call it again when one may have come.

    ``untraced`` gives counts of what could not be traced, by name: each becomes a counter ``lineage.<name>``.
    """
    if not wanted():
        return None
    meter = metrics.get_meter(semconv.SCOPE)
    measured = Metrics(meter, sent, consumed, exporter)
    for name in untraced():
        description = f"What the agent could not trace: {name.replace('_', ' ')}."
        _counter(meter, f"lineage.{name}", "{event}", description, partial(_count_of, untraced, name))
    exporter.observe(measured.record)
    return measured


def _count_of(counts: Callable[[], Mapping[str, int]], name: str) -> Iterable[Count]:
    return [(counts()[name], {})]


def _counter(meter: Meter, name: str, unit: str, description: str, counts: Counts) -> None:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(number, attributes) for number, attributes in counts()]

    meter.create_observable_counter(name, [observe], unit, description)


def _duration(meter: Meter, name: str, description: str) -> Histogram:
    return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=list(_BOUNDS))
