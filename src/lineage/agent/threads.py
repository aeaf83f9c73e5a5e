"""OpenTelemetry's instrumentation of threads, for those who switch the agent on in code."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.instrumentation.threading import ThreadingInstrumentor

from lineage.agent.activation import disabled_instrumentations

_ours = False


def instrument(env: Mapping[str, str]) -> None:
    """Carry the context into threads, unless somebody else sees to that, or nobody is to."""
    global _ours
    instrumentor, disabled = ThreadingInstrumentor(), disabled_instrumentations(env)
    if not instrumentor.is_instrumented_by_opentelemetry and "threading" not in disabled:
        instrumentor.instrument()
        _ours = True


def uninstrument() -> None:
    """Take it back, if it was us."""
    global _ours
    if _ours:
        ThreadingInstrumentor().uninstrument()
        _ours = False
