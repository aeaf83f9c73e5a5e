"""Lineage: event lineage for Kafka pipelines. Each event becomes one connected trace.

Run an application as ``lineage-instrument python app.py``, or call ``instrument()`` at its start.
"""

from __future__ import annotations

from lineage.version import __version__

# Imports stand inside the functions: who only wants `lineage.model` pays for nothing else, and the launcher not even for typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any, TypeVar, overload

    _Mapping = TypeVar("_Mapping")


__all__ = ["__version__", "handling", "instrument", "state", "uninstrument"]


def instrument() -> bool:
    """Trace this process, as ``lineage-instrument`` would, but without other instrumentations.

    Uses the tracer provider that the application has set, or sets one from the ``OTEL_*`` variables. Works after the
    Kafka library was imported, too; clients that exist already are not traced. Returns whether tracing is on; if it is
    not, stderr says why.
    """
    import os

    from lineage.agent import activation

    return activation.activate(os.environ)


def uninstrument() -> None:
    """Undo ``instrument()``: the Kafka libraries are again what they were, object by object."""
    from lineage.agent import activation

    activation.deactivate()


def handling(*messages: Any) -> AbstractContextManager[None]:
    """Say what the code in this block handles: these consumed messages, or none. Without the agent it does nothing."""
    from lineage.agent.handling import handling as block

    return block(*messages)


if TYPE_CHECKING:

    @overload
    def state(name: str, *, writers: Any = None) -> dict[Any, Any]: ...

    @overload
    def state(name: str, mapping: _Mapping, *, writers: Any = None) -> _Mapping: ...


def state(name: str, mapping: Any = None, *, writers: Any = None) -> Any:
    """A dict, or any mutable mapping, as a state store: who reads a value links to who wrote it.

    ``lineage.state("totals")`` is a new dict; ``lineage.state("totals", mapping)`` traces one that there is, ``writers`` being a
    second mapping to keep who wrote its values (bytes, by key) if these outlive the process. Without the agent it is the
    mapping itself.
    """
    import sys

    recorder = sys.modules.get("lineage.agent.recorder")
    if recorder is None or recorder.active() is None:
        return {} if mapping is None else mapping
    from lineage.agent.mapping import state as traced

    return traced(name, mapping, writers)
