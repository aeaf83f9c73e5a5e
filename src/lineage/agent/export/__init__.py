"""Spans -> OTLP, batched and bounded."""
