"""The plain loop of an application that sets up OpenTelemetry by itself, with a sampler of its own, then starts the agent."""

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

import lineage


class Audited(Sampler):
    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None):
        return SamplingResult(Decision.RECORD_AND_SAMPLE, {"audited": name})

    def get_description(self):
        return "Audited"


provider = TracerProvider(sampler=Audited())
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
lineage.instrument()
import poll  # noqa: E402, F401 - it runs on import
