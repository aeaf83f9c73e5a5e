"""Entry points: how ``opentelemetry-instrument``, and any other launcher of its kind, finds and starts the agent."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]  # without types
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # the same
from opentelemetry.util._importlib_metadata import EntryPoint, entry_points

from lineage.agent import activation

REPLACED = ("confluent_kafka", "threading")
"""The instrumentations whose work ours does."""


class LineageDistro(BaseDistro):  # type: ignore[misc]  # the same
    """Our defaults, and nothing traced twice."""

    def _configure(self, **_: Any) -> None:
        # Our own configurator has these defaults anyway; others know only the environment.
        if len(entry_points(group="opentelemetry_configurator")) > 1:
            os.environ.setdefault("OTEL_TRACES_EXPORTER", "otlp")
            os.environ.setdefault("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Load an instrumentation, unless it is one that ours replaces."""
        disabled = entry_point.name in activation.disabled_instrumentations(os.environ)
        if entry_point.name in REPLACED and (disabled or activation.state().active):
            return
        super().load_instrumentor(entry_point, **kwargs)


class LineageConfigurator:
    """The SDK as OpenTelemetry's variables describe it, with our exporter and recorder."""

    def configure(self, **_: Any) -> None:
        """Set up the SDK and start recording."""
        if activation.sdk_disabled(os.environ):
            return
        from lineage.agent import provider

        # Also when ours is disabled: other instrumentations need the SDK.
        if activation.off_reason(os.environ):
            provider.provide(os.environ)
        activation.activate(os.environ)


class LineageInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # the same
    """Records into whatever provider is set: also with another distro and another configurator."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: patches wait for their libraries."""
        return ()

    def _instrument(self, **_: Any) -> None:
        activation.activate(os.environ)

    def _uninstrument(self, **_: Any) -> None:
        activation.deactivate()
