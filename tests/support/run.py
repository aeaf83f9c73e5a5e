"""Run plain applications in their own processes, with or without the agent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from support.broker import Topics
from support.receiver import GrpcReceiver, Receiver

APPS = Path(__file__).parent.parent / "scenarios" / "apps"
OURS = ("OTEL_", "LINEAGE_", "APP_", "TRACEPARENT")


@dataclass(frozen=True)
class Agent:
    """The launcher, told where to send spans."""

    endpoint: str
    protocol: str = "http/protobuf"
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def reporting_to(cls, receiver: Receiver | GrpcReceiver, **settings: str) -> Agent:
        return cls(receiver.endpoint, receiver.protocol, settings)

    def command(self, python: str = sys.executable) -> list[str]:
        scripts = Path(python).parent if python != sys.executable else Path(sysconfig.get_path("scripts"))
        return [str(scripts / "lineage-instrument")]

    def environment(self, service: str) -> dict[str, str]:
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol,
            "OTEL_SERVICE_NAME": service,
            **self.settings,
        }


@dataclass(frozen=True)
class Stage:
    """One application of a pipeline: which, from where, to where, and how many messages make its day.

    A `bare` one never has the agent; one that is not `launched` starts it by itself.
    """

    app: str
    reads: Sequence[str] = ()
    writes: Sequence[str] = ()
    count: int = 20
    mode: str = ""
    name: str = ""
    joins: bool = False
    bare: bool = False
    launched: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def service(self) -> str:
        return self.name or self.app

    def environment(self, topics: Topics) -> dict[str, str]:
        return {
            "APP_NAME": self.service,
            "APP_BOOTSTRAP": topics.broker.bootstrap,
            "APP_PARTITIONS": str(topics.broker.partitions),
            "APP_GROUP": topics.full(self.service),
            "APP_READS": ",".join(map(topics.full, self.reads)),
            "APP_WRITES": ",".join(map(topics.full, self.writes)),
            "APP_COUNT": str(self.count),
            "APP_MODE": self.mode,
            "APP_JOINS": "yes" if self.joins else "",
            **self.settings,
        }


@dataclass(frozen=True)
class Finished:
    """What one process left behind."""

    name: str
    code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[Any]:
        """What the application printed, a JSON document a line."""
        return [json.loads(line) for line in self.stdout.splitlines()]


class Running:
    """A started process. Its output goes to files, so that nothing ever waits for a reader."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._out, self._err = TemporaryFile("w+"), TemporaryFile("w+")  # noqa: SIM115 - open while the process lives
        self.process = subprocess.Popen(
            command,
            env={**_clean_environment(), **environment},
            stdout=self._out,
            stderr=self._err,
            stdin=subprocess.DEVNULL,
        )

    def finish(self, timeout: float = 60) -> Finished:
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
            self._err.write(f"\nkilled after {timeout} s\n")
        return Finished(self.name, code, _content(self._out), _content(self._err))

    def output(self) -> str:
        """What it has printed so far."""
        return _content(self._out)


def start(
    script: str,
    environment: Mapping[str, str],
    agent: Agent | None = None,
    *,
    service: str = "app",
    python: str = sys.executable,
    launched: bool = True,
) -> Running:
    """Start one of the applications, under the agent if one is given."""
    command = [python, str(APPS / f"{script}.py")]
    if agent is None:
        return Running(service, command, environment)
    launcher = agent.command(python) if launched else []
    return Running(service, [*launcher, *command], {**environment, **agent.environment(service)})


def run_stages(
    stages: Sequence[Stage], topics: Topics, agent: Agent | None, timeout: float = 60
) -> dict[str, Finished]:
    """Run a pipeline, every stage at once, and give what each left, by name. All must end well."""
    running = [
        start(
            stage.app,
            stage.environment(topics),
            None if stage.bare else agent,
            service=stage.service,
            launched=stage.launched,
        )
        for stage in stages
    ]
    finished = {each.name: each.finish(timeout) for each in running}
    failed = [each for each in finished.values() if each.code != 0]
    assert not failed, "\n".join(
        f"{each.name} ended with {each.code}:\n{each.stdout[-2000:]}\n{each.stderr[-4000:]}" for each in failed
    )
    return finished


def _content(file: IO[str]) -> str:
    file.flush()
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")


def _clean_environment() -> dict[str, str]:
    """This process's environment without what would configure an agent: no trace may enclose the stages."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
