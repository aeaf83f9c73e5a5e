"""Lineage: event lineage for Kafka pipelines. Each event becomes one connected trace.

Run an application as ``lineage-instrument python app.py``, or call ``instrument()`` at its start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["__version__", "handling", "instrument", "uninstrument"]

# Imports stand inside the functions: who only wants `lineage.model` pays for nothing else.


def instrument() -> bool:
    """Trace this process, as ``lineage-instrument`` would, but without other instrumentations than the one for threads.

    Uses the tracer provider that the application has set, or sets one from the ``OTEL_*`` variables. Works after the
    Kafka library was imported, too; clients that exist already are not traced. Returns whether tracing is on; if it is
    not, stderr says why.
    """
    import os

    from lineage.agent import activation, threads

    active = activation.activate(os.environ)
    if active:
        threads.instrument(os.environ)
    return active


def uninstrument() -> None:
    """Undo ``instrument()``: the Kafka libraries are again what they were, object by object."""
    from lineage.agent import activation, threads

    threads.uninstrument()
    activation.deactivate()


def handling(*messages: Any) -> AbstractContextManager[None]:
    """Say what the code in this block handles: these consumed messages, or none. Without the agent it does nothing."""
    from lineage.agent.handling import handling as block

    return block(*messages)


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version

        return version("lineage-instrument")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
