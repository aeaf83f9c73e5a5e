"""``lineage doctor``: start the agent here as an application would, and tell what came of it."""

from __future__ import annotations

import importlib
import io
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distributions, version
from importlib.util import find_spec

from lineage.agent import activation, native, patching
from lineage.agent.activation import State
from lineage.agent.launcher import AUTOLOAD

SECRETS = ("SECRET", "HEADERS", "PASSWORD", "KEY", "TOKEN")
Rows = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found: titled tables, and what is wrong."""

    sections: tuple[tuple[str, Rows], ...]
    problems: tuple[str, ...]

    def text(self) -> str:
        """Aligned, for people."""
        blocks = [[title, *_aligned(rows)] for title, rows in self.sections if rows]
        problems = [f"  ! {problem}" for problem in self.problems]
        blocks.append(["Problems", *problems] if problems else ["No problems found."])
        return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _aligned(rows: Rows) -> Iterator[str]:
    width = max(len(name) for name, _ in rows)
    return (f"  {name:{width}}  {value}".rstrip() for name, value in rows)


def examine(env: Mapping[str, str]) -> Report:
    """Start the agent and look at it."""
    said = io.StringIO()
    with redirect_stderr(said):
        activation.activate(env)
        statuses = _imported(patching.statuses())
    state = activation.state()
    receiver, unreachable = _receiver(state, env)
    # Under the launcher they were said before this began.
    values = state.settings.problems
    problems = [
        *values,
        *(line for line in _lines(said.getvalue()) if line not in values),
        *_flags(),
        *_of_patches(statuses),
        *unreachable,
    ]
    sections = (
        ("Found", _found(statuses)),
        ("Agent", _agent(state)),
        ("Patches", [(each.patch.title, _with_reason(each)) for each in statuses]),
        ("Spans", [*receiver, *_tracing(state, env)]),
        ("Settings", sorted(_settings(env))),
    )
    return Report(sections, tuple(problems))


def _lines(text: str) -> Iterator[str]:
    return (line.removeprefix("lineage: ") for line in text.splitlines() if line)


def _imported(statuses: list[patching.Status]) -> list[patching.Status]:
    """The patches once their libraries are imported: those of libraries that are not installed keep waiting."""
    for name in dict.fromkeys(status.patch.module for status in statuses):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    return [patching.status(status.patch) for status in statuses]


def _found(statuses: list[patching.Status]) -> Rows:
    names = sorted({each.name for each in distributions() if each.name and each.name.startswith("opentelemetry-")})
    libraries = sorted({_library(status).replace("_", "-") for status in statuses if _is_of_kafka(status)})
    python = f"{platform.python_version()}, {sys.executable}"
    return [("python", python), *((name, _version(name)) for name in ("lineage-instrument", *libraries, *names))]


def _library(status: patching.Status) -> str:
    return status.patch.module.partition(".")[0]


def _is_of_kafka(status: patching.Status) -> bool:
    return _library(status) not in ("opentelemetry", *sys.stdlib_module_names)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def _agent(state: State) -> Rows:
    launched = AUTOLOAD in os.environ.get("PYTHONPATH", "").split(os.pathsep)
    how = (
        "lineage-instrument"
        if launched
        else "lineage doctor; applications need lineage-instrument before their command"
    )
    return [
        ("state", "active" if state.active else f"not active: {state.reason}"),
        ("started by", how),
        ("hot path", native.state()),
    ]


def _flags() -> Iterator[str]:
    """Python's options that keep the launcher out."""
    for flag, option in (("isolated", "-I"), ("no_site", "-S"), ("ignore_environment", "-E")):
        if getattr(sys.flags, flag):
            yield f"python {option} ignores the launcher: call lineage.instrument() in the application's code"


def _with_reason(status: patching.Status) -> str:
    if status.state == patching.WAITING:
        installed = find_spec(status.patch.module.partition(".")[0])
        return patching.ABSENT if installed else "waiting: the library is not installed"
    return f"{status.state}: {status.reason}" if status.reason else status.state


def _of_patches(statuses: list[patching.Status]) -> Iterator[str]:
    for status in statuses:
        unreached = status.state == patching.APPLIED and status.reason
        if status.state == patching.FAILED or unreached:
            yield f"{status.patch.title}: {status.reason}"
    kafka = [status for status in statuses if _is_of_kafka(status)]
    if kafka and all(status.state == patching.WAITING for status in kafka):
        yield "no Kafka library that Lineage knows is installed"


def _receiver(state: State, env: Mapping[str, str]) -> tuple[Rows, list[str]]:
    if not state.active:
        return [], []
    if state.exporter is None:
        exporters = env.get("OTEL_TRACES_EXPORTER", "")
        return [("go to", f"the SDK's exporters ({exporters or 'those of the tracer provider'})")], []
    from lineage.agent import probe

    endpoint = str(state.exporter.endpoint)
    trouble = probe.trouble(endpoint, env)
    rows = [("go to", endpoint), ("receiver", "does not answer" if trouble else "answers")]
    return rows, [f"{endpoint}: {trouble}"] if trouble else []


def _tracing(state: State, env: Mapping[str, str]) -> Rows:
    if state.provider is None:
        return []
    from opentelemetry import propagate

    named = env.get("OTEL_SERVICE_NAME") or "service.name=" in env.get("OTEL_RESOURCE_ATTRIBUTES", "")
    service = str(state.provider.resource.attributes.get("service.name", ""))
    return [
        ("service.name", service if named else "each application's script or module"),
        ("sampler", env.get("OTEL_TRACES_SAMPLER") or "parentbased_always_on"),
        ("propagated in", ", ".join(sorted(propagate.get_global_textmap().fields))),
    ]


def _settings(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is set, without what is secret."""
    for name, value in env.items():
        if name.startswith(("LINEAGE_", "OTEL_")) and name != "LINEAGE_PARENT_SERVICE":
            yield name, "(set)" if name.endswith(SECRETS) else value
