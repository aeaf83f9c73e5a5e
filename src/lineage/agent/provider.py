"""The SDK's TracerProvider, from OpenTelemetry's own variables.

The common case is set up directly. What only OpenTelemetry's configurator can do (other exporters, metrics, logs,
samplers and id generators from other packages) it does: importing that takes 0.1 s more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider

from lineage.agent import installed, naming
from lineage.agent.export import config
from lineage.model.errors import LineageError
from lineage.version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

OUR_EXPORTERS = frozenset((config.OTLP, config.FILE, config.NONE))
_ROOT_SAMPLERS = ("always_on", "always_off", "traceidratio")
BUILT_IN_SAMPLERS = frozenset((*_ROOT_SAMPLERS, *(f"parentbased_{name}" for name in _ROOT_SAMPLERS)))
_CONFIGURED_ELSEWHERE = (
    "OTEL_PYTHON_TRACER_CONFIGURATOR",
    "OTEL_PYTHON_METER_CONFIGURATOR",
    "OTEL_PYTHON_LOGGER_CONFIGURATOR",
)


class Provision(NamedTuple):
    """A provider, and our exporter if the provider is ours and sends by OTLP."""

    provider: TracerProvider
    exporter: Any = None
    problems: tuple[str, ...] = ()


_made: Provision | None = None


def provide(env: Mapping[str, str]) -> Provision:
    """The application's own provider if it has set one, else ours, made and set now."""
    global _made
    current = _current()
    if current is None:
        _made = _declared() if env.get("OTEL_CONFIG_FILE") else _make(env)
        return _made
    return _made if _made is not None and _made.provider is current else Provision(current)


def _current() -> TracerProvider | None:
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        return None
    if not isinstance(provider, TracerProvider):
        kind = type(provider).__name__
        raise LineageError(f"the tracer provider is a {kind}, and only the OpenTelemetry SDK's can be used")
    return provider


def _declared() -> Provision:
    from opentelemetry.sdk._configuration import _OTelSDKConfigurator

    _OTelSDKConfigurator().configure()  # type: ignore[no-untyped-call]  # the SDK's
    return _as_set()


def _as_set() -> Provision:
    provider = _current()
    if provider is None:
        raise LineageError("the configurator set no tracer provider")
    return Provision(provider)


def _make(env: Mapping[str, str]) -> Provision:
    from lineage.agent.export.processor import ExporterProcessor

    resource = make_resource(env)
    exporter, problems = config.build(env, resource), config.ExportSettings.from_env(env).problems
    processors: list[SpanProcessor] = [ExporterProcessor(exporter)] if exporter is not None else []
    if not _is_plain(env):
        _configure_components(env, processors)
        return Provision(_as_set().provider, exporter, problems)
    provider = TracerProvider(resource=resource)
    for processor in processors:
        provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    return Provision(provider, exporter, problems)


def distribution() -> dict[str, str]:
    """What tells spans of this agent from others."""
    return {"telemetry.distro.name": "lineage-instrument", "telemetry.distro.version": __version__}


def make_resource(env: Mapping[str, str]) -> Resource:
    """OpenTelemetry's, but a service without a name gets that of its script or module; children inherit it."""
    resource = Resource.create(distribution())
    if not str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        return resource
    name = naming.running_module() or naming.service_name(sys.argv, sys.orig_argv, env.get(naming.INHERITED))
    if not name:
        return resource
    os.environ[naming.INHERITED] = name
    return resource.merge(Resource({SERVICE_NAME: name}))


def exporter_names(env: Mapping[str, str], signal: str, default: str = "none") -> list[str]:
    """The exporters that ``OTEL_<signal>_EXPORTER`` names, without `none`."""
    names = (name.strip() for name in (env.get(f"OTEL_{signal}_EXPORTER") or default).split(","))
    return [name for name in names if name and name.lower() != "none"]


def others(env: Mapping[str, str]) -> list[str]:
    """The trace exporters that are not ours."""
    return [name for name in exporter_names(env, "TRACES", "otlp") if name.lower() not in OUR_EXPORTERS]


def _is_plain(env: Mapping[str, str]) -> bool:
    return not (
        others(env)
        or exporter_names(env, "METRICS")
        or exporter_names(env, "LOGS")
        or env.get("OTEL_PYTHON_ID_GENERATOR", "random") != "random"
        or env.get("OTEL_TRACES_SAMPLER", "always_on").lower() not in BUILT_IN_SAMPLERS
        or env.get("OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED", "").lower() == "true"
        or any(env.get(name) for name in _CONFIGURED_ELSEWHERE)
        or installed.declares("_opentelemetry_opamp")
    )


def _configure_components(env: Mapping[str, str], processors: list[SpanProcessor]) -> None:
    from opentelemetry.sdk._configuration import _initialize_components

    attributes: dict[str, Any] = dict(make_resource(env).attributes)
    defaults = {
        "OTEL_TRACES_EXPORTER": ",".join(others(env)) or "none",
        "OTEL_METRICS_EXPORTER": ",".join(exporter_names(env, "METRICS")) or "none",
        "OTEL_LOGS_EXPORTER": ",".join(exporter_names(env, "LOGS")) or "none",
        "OTEL_EXPORTER_OTLP_PROTOCOL": env.get("OTEL_EXPORTER_OTLP_PROTOCOL") or config.HTTP,
    }
    with _environment(defaults):
        _initialize_components(span_processors=processors, resource_attributes=attributes)


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """The configurator reads nothing but os.environ; the application shall see that as it was."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
