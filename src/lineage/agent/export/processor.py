"""For spans that the application makes itself with the SDK: the same way out as for ours."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from lineage.agent.export.exporter import Exporter


class ExporterProcessor(SpanProcessor):
    """Puts ended, sampled SDK spans into the exporter."""

    def __init__(self, exporter: Exporter) -> None:
        self.exporter = exporter

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing happens before the end."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take the span if it is sampled. Never raises."""
        context = span.get_span_context()
        if context is not None and context.trace_flags.sampled:
            self.exporter.add_readable(span)

    def shutdown(self) -> None:
        """Flush only: light spans may still come, and the exporter ends itself with the process."""
        self.exporter.flush_at_exit()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until all spans ended so far are exported; False if that was not possible in time."""
        return self.exporter.flush(timeout_millis / 1000)
