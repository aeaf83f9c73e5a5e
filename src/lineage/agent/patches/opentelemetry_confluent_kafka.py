"""opentelemetry-instrumentation-confluent-kafka: its interface stays, the tracing behind it is ours.

``instrument()`` and ``uninstrument()`` switch our patches of confluent-kafka on and off; ``instrument_producer`` and
``instrument_consumer`` give back clients that are traced already, and trace others. Their ``tracer_provider`` is
ignored: an event cannot be in two traces.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from lineage.agent import patching
from lineage.agent.patching import Patch
from lineage.agent.proxies import traced_proxy

LIBRARY = "confluent_kafka"
MODULE = "opentelemetry.instrumentation.confluent_kafka"


def _ours() -> list[Patch]:
    known = (status for status in patching.statuses() if status.state != patching.DISABLED)
    return [status.patch for status in known if status.patch.module.partition(".")[0] == LIBRARY]


def _instrument(_: Callable[..., Any]) -> Callable[..., Any]:
    _take_over(sys.modules[MODULE])

    def instrument(self: Any, **_: Any) -> None:
        """Trace confluent-kafka."""
        patching.apply(_ours())
        self._is_instrumented_by_opentelemetry = True

    return instrument


def _uninstrument(_: Callable[..., Any]) -> Callable[..., Any]:
    def uninstrument(self: Any, **_: Any) -> None:
        """Stop tracing confluent-kafka."""
        patching.undo(_ours())
        self._is_instrumented_by_opentelemetry = False

    return uninstrument


def _trace_client(_: Callable[..., Any]) -> Callable[..., Any]:
    def traced(client: Any, tracer_provider: Any = None) -> Any:  # noqa: ARG001 - the signature of the original
        """This client, traced."""
        return traced_proxy(client)

    return traced


def _raw_client(_: Callable[..., Any]) -> Callable[..., Any]:
    def raw(client: Any) -> Any:
        """The client that was given to instrument_producer or instrument_consumer."""
        return getattr(client, "__wrapped__", client)

    return raw


def _take_over(module: Any) -> None:
    """If its own tracing is on already, take that off: also the two wrappers that its own uninstrument() forgets."""
    instrumentor = module.ConfluentKafkaInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        return
    instrumentor._uninstrument()  # as uninstrument() is what is being replaced
    for method in ("consume", "close"):
        module.unwrap(module.AutoInstrumentedConsumer, method)


PATCHES = (
    Patch(MODULE, "ConfluentKafkaInstrumentor.instrument", _instrument),
    Patch(MODULE, "ConfluentKafkaInstrumentor.uninstrument", _uninstrument),
    Patch(MODULE, "ConfluentKafkaInstrumentor.instrument_producer", _trace_client),
    Patch(MODULE, "ConfluentKafkaInstrumentor.instrument_consumer", _trace_client),
    Patch(MODULE, "ConfluentKafkaInstrumentor.uninstrument_producer", _raw_client),
    Patch(MODULE, "ConfluentKafkaInstrumentor.uninstrument_consumer", _raw_client),
)
