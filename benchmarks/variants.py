"""How an application is run: bare, or under one of the tracers."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

SCRIPTS = Path(sys.executable).parent
APPS = Path(__file__).parent / "apps"


@dataclass(frozen=True)
class Variant:
    """A launcher of this virtual environment, and its environment variables.

    ``reads`` is the variant that filled the topics it reads. ``spans`` is how many a message gives, by task; not all are known.
    """

    launcher: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    reads: str = "lineage"
    spans: Mapping[str, float] = field(default_factory=dict)

    def command(self, app: str, *arguments: object) -> list[str]:
        """The command line that runs one of our applications."""
        prefix = [str(SCRIPTS / self.launcher)] if self.launcher else []
        return [*prefix, sys.executable, str(APPS / app), *map(str, arguments)]

    def environment(self, endpoint: str) -> dict[str, str]:
        """The environment to run it in, which has no other setting of a tracer than ours."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_TRACERS)}
        return {**kept, **_EXPORT, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "DD_TRACE_AGENT_URL": endpoint, **self.env}


_TRACERS = ("OTEL_", "LINEAGE_", "DD_", "PYTHONPATH")
_EXPORT = {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_SERVICE_NAME": "bench",
}
_OURS = {"OTEL_PYTHON_DISTRO": "lineage", "OTEL_PYTHON_CONFIGURATOR": "lineage"}
# The distribution of OpenTelemetry itself, without ours, which its launcher would find.
_THEIRS = {
    "OTEL_PYTHON_DISTRO": "distro",
    "OTEL_PYTHON_CONFIGURATOR": "configurator",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "lineage",
}
# Its queue of 2048 spans overflows at full speed, with one line in the log. This is what recording everything costs.
_ALL = {"OTEL_BSP_MAX_QUEUE_SIZE": "1000000"}
_ONE_PERCENT = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
_DATADOG = {
    "DD_KAFKA_PROPAGATION_ENABLED": "true",
    "DD_KAFKA_EMPTY_POLL_ENABLED": "false",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
}
_OUR_SPANS = {"produce": 1, "poll": 1, "consume": 1, "hop": 2}
# Its `consume` gives one span a batch and one for the call.
_THEIR_SPANS = {"produce": 1, "poll": 2, "hop": 3}

BARE, LINEAGE, OPENTELEMETRY, EVERYTHING = "bare", "lineage", "opentelemetry", "opentelemetry, all kept"
NO_CONTEXT, SAMPLED, DDTRACE = "lineage, input without context", "lineage, 1 % sampled", "ddtrace"
EXCLUDED, DISABLED = "lineage, topics excluded", "lineage, OTEL_SDK_DISABLED"

VARIANTS = {
    BARE: Variant(),
    LINEAGE: Variant("lineage-instrument", _OURS, LINEAGE, _OUR_SPANS),
    NO_CONTEXT: Variant("lineage-instrument", _OURS, BARE, _OUR_SPANS),
    # Of the messages it reads 99 % carry the context of a trace that is not sampled, as its own producer writes it.
    SAMPLED: Variant("lineage-instrument", {**_OURS, **_ONE_PERCENT}, SAMPLED),
    OPENTELEMETRY: Variant("opentelemetry-instrument", _THEIRS, OPENTELEMETRY, _THEIR_SPANS),
    EVERYTHING: Variant("opentelemetry-instrument", {**_THEIRS, **_ALL}, OPENTELEMETRY, _THEIR_SPANS),
    EXCLUDED: Variant("lineage-instrument", {**_OURS, "LINEAGE_TOPICS_EXCLUDE": "*"}),
    DISABLED: Variant("lineage-instrument", {**_OURS, "OTEL_SDK_DISABLED": "true"}),
}
if find_spec("ddtrace") is not None:
    VARIANTS[DDTRACE] = Variant("ddtrace-run", _DATADOG, DDTRACE)
