"""What ``opentelemetry-instrument`` does at start, done by ``lineage-instrument``: the same variables mean the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lineage.agent.activation import OURS, say

if TYPE_CHECKING:
    from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]  # without types

_GEVENT = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"


def patch_gevent(env: Mapping[str, str]) -> None:
    """Let gevent patch the standard library before anything else is imported, if asked to."""
    wanted = env.get(_GEVENT)
    if wanted is None:
        return
    if wanted != "patch_all":
        say(f"{_GEVENT}={wanted!r} is not patch_all")
        return
    try:
        from gevent import monkey  # type: ignore[import-untyped,import-not-found,unused-ignore]  # if installed
    except ImportError:
        say(f"{_GEVENT} is set, but gevent is not installed")
    else:
        monkey.patch_all()


def distro(env: Mapping[str, str]) -> BaseDistro:
    """Ours, unless OTEL_PYTHON_DISTRO names another."""
    if env.get("OTEL_PYTHON_DISTRO", OURS) != OURS:
        from opentelemetry.instrumentation.auto_instrumentation._load import _load_distro

        return _load_distro()
    from lineage.agent.distro import LineageDistro

    return LineageDistro()


def configurators(env: Mapping[str, str]) -> None:
    """Run ours, unless OTEL_PYTHON_CONFIGURATOR names another."""
    if env.get("OTEL_PYTHON_CONFIGURATOR", OURS) != OURS:
        from opentelemetry.instrumentation.auto_instrumentation._load import _load_configurators

        _load_configurators()  # type: ignore[no-untyped-call]  # OpenTelemetry's
        return
    from lineage.agent.distro import LineageConfigurator

    LineageConfigurator().configure()


def instrumentors(distro: BaseDistro) -> None:
    """Every installed instrumentation that is not disabled, ours among them."""
    from opentelemetry.instrumentation.auto_instrumentation._load import _load_instrumentors

    try:
        _load_instrumentors(distro)  # type: ignore[no-untyped-call]  # OpenTelemetry's
    except Exception as error:  # noqa: BLE001 - one instrumentation that fails is no reason to lose the others' work
        say(f"not all instrumentations are active, {type(error).__name__}: {error}")
