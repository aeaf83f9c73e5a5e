"""What ``opentelemetry-instrument`` does at start, done by ``lineage-instrument``: the same variables mean the same."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lineage.agent import installed
from lineage.agent.activation import OURS, off_reason, say

if TYPE_CHECKING:
    from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]  # without types

GROUPS = ("opentelemetry_pre_instrument", "opentelemetry_instrumentor", "opentelemetry_post_instrument")
_GEVENT = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"


@contextmanager
def lasting() -> Iterator[None]:
    """What is made in here, before the application, stays until the end: the garbage collector need never look at it.

    It would, several times until the application has started and again at the exit, and that is a third of our cost.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if collects:
            gc.enable()


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


def is_ours_alone(env: Mapping[str, str]) -> bool:
    """Whether nobody else has a part in the start: then OpenTelemetry's loader, which takes long to import, is not needed."""
    named = {env.get("OTEL_PYTHON_DISTRO", OURS), env.get("OTEL_PYTHON_CONFIGURATOR", OURS)}
    return named == {OURS} and not off_reason(env) and not installed.declares(*GROUPS)


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
