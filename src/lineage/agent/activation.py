"""Switch the agent on and off: settings, provider, recorder and patches, each once."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from lineage.agent import patching
from lineage.agent.patching import Patch
from lineage.agent.settings import Settings

OURS = "lineage"
"""Our name among the instrumentations."""


FLUSH = 2.0
"""Seconds that switching off may wait for the receiver."""


class State(NamedTuple):
    """What became of the agent in this process; ``reason`` says why it is off."""

    active: bool = False
    reason: str = "not started"
    settings: Settings = Settings()
    provider: Any = None
    exporter: Any = None


_state = State()
_said: set[str] = set()


def state() -> State:
    """What became of the agent in this process."""
    return _state


def initialize(env: Mapping[str, str]) -> None:
    """All that a launcher does: OpenTelemetry's SDK, our patches, then the other instrumentations."""
    from lineage.agent import loading

    if sdk_disabled(env):
        _off("OTEL_SDK_DISABLED=true")
        return
    with loading.lasting():
        loading.patch_gevent(env)
        if loading.is_ours_alone(env):
            activate(env)
            return
        distro = loading.distro(env)
        distro.configure()
        loading.configurators(env)
        loading.instrumentors(distro)


def activate(env: Mapping[str, str]) -> bool:
    """Record from now on, into the application's provider if it has set one. True if the agent is on now."""
    global _state
    if _state.active:
        return True
    if reason := off_reason(env):
        _off(reason)
        return False
    try:
        _state = _started(env)
    except Exception as error:  # noqa: BLE001 - an agent that cannot work says so and steps aside
        _off(f"{type(error).__name__}: {error}")
        say(f"not active, {_state.reason}")
        return False
    _apply(_state.settings, disabled_instrumentations(env))
    return True


def deactivate() -> None:
    """Record nothing from now on and take all patches off. The provider stays, as OpenTelemetry can set only one."""
    from lineage.agent import ending, recorder

    patching.undo(status.patch for status in patching.statuses())
    recorder.stop()
    ending.forget()
    if _state.exporter is not None:
        _state.exporter.flush(FLUSH)
    _off("switched off by lineage.uninstrument()")


def off_reason(env: Mapping[str, str]) -> str | None:
    """Why the agent is not to be active, if so."""
    if sdk_disabled(env):
        return "OTEL_SDK_DISABLED=true"
    names = sorted(disabled_instrumentations(env) & {"*", OURS})
    return f"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS names {names[0]}" if names else None


def sdk_disabled(env: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry as a whole is switched off."""
    return env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def disabled_instrumentations(env: Mapping[str, str]) -> frozenset[str]:
    """The names in OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, with underscores."""
    names = env.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    return frozenset(name.strip().replace("-", "_") for name in names if name.strip())


def say(line: str) -> None:
    """One line for the operator, once. At start nobody has configured logging yet."""
    if line not in _said:
        _said.add(line)
        sys.stderr.write(f"lineage: {line}\n")


def _off(reason: str) -> None:
    global _state
    _state = _state._replace(active=False, reason=reason)


def _started(env: Mapping[str, str]) -> State:
    from lineage.agent import ending, provider, recorder

    settings = Settings.from_env(env)
    provision = provider.provide(env)
    for problem in (*settings.problems, *provision.problems):
        say(problem)
    recorder.start(recorder.Recorder(settings, provision.provider, provision.exporter))
    _measure(provision.exporter)
    ending.watch(provision.exporter)
    return State(True, "", settings, provision.provider, provision.exporter)


def _measure(exporter: Any) -> None:
    if "opentelemetry.sdk.metrics" not in sys.modules:
        return  # nobody to read them; the imports below would delay every start
    from lineage.agent.export import metrics
    from lineage.agent.recorder import active
    from lineage.model import semconv

    recorder = active()
    if exporter is not None and recorder is not None:
        sent, consumed = partial(recorder.messages, semconv.SEND), partial(recorder.messages, semconv.PROCESS)
        metrics.install(exporter, sent, consumed, recorder.counters)


def _apply(settings: Settings, instrumentations: frozenset[str]) -> None:
    from lineage.agent.discovery import discover

    for patch in discover():
        if reason := disabled_by(patch, settings.patches_disabled, instrumentations):
            patching.disable([patch], reason)
        else:
            patching.apply([patch])


def disabled_by(patch: Patch, titles: frozenset[str], instrumentations: frozenset[str]) -> str:
    """Which setting switches this patch off, if any: by its title or how that begins, or by its library."""
    if any(f"{patch.title}.".startswith(f"{title}.") for title in titles):
        return "LINEAGE_PATCHES_DISABLED"
    names = {*patch.module.split("."), patch.instrumentation}
    return "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS" if instrumentations & names else ""
