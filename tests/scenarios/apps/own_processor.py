"""The plain loop of an application that adds a span processor of its own."""

from collections import Counter

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from plain import COUNT, NAME, READS, WRITES


class Own(SpanProcessor):
    def __init__(self):
        self.started, self.ended = Counter(), Counter()

    def on_start(self, span, parent_context=None):
        self.started[span.name] += 1
        span.set_attribute("own", "was here")

    def on_end(self, span):
        self.ended[span.name] += 1
        assert span.resource.attributes["service.name"] == NAME
        assert span.attributes["own"] == "was here"
        assert span.attributes["messaging.kafka.offset"] >= 0
        assert span.parent.trace_id == span.context.trace_id
        assert span.end_time > span.start_time


own = Own()
trace.get_tracer_provider().add_span_processor(own)
import poll  # noqa: E402, F401 - it runs on import

assert own.started == own.ended == {f"process {READS[0]}": COUNT, f"send {WRITES[0]}": COUNT}, (own.started, own.ended)
