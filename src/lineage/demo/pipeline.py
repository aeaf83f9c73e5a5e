"""The demo's applications as processes under the agent."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lineage.model.errors import LineageError

APPS = Path(__file__).parent / "apps"
TOPICS = ("orders", "priced-orders", "invoices", "parcels")
SOURCE = "orders"
CONSUMERS = {
    "enrich": "orders -> priced-orders",
    "billing": "priced-orders -> invoices",
    "shipping": "priced-orders -> parcels",
    "sink": "invoices, parcels ->",
}
SPANS_PER_ORDER = 9
"""A send and a process span for each of the four topics, and one more, as two applications read the priced orders."""
PATIENCE = 60.0
_LAST_LINES = 15


@dataclass(frozen=True)
class App:
    """One running application, its output in a file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def is_ready(self) -> bool:
        """Whether it got its partitions."""
        return "ready" in self.log.read_text(errors="replace").split()


@contextmanager
def running(names: list[str], folder: Path, environment: Mapping[str, str]) -> Iterator[list[App]]:
    """Applications as long as the block runs; none is left behind."""
    apps: list[App] = []
    try:
        # One by one: those that were started must be ended, even if the next cannot be started.
        apps.extend(_start(name, folder, environment) for name in names)
        yield apps
    finally:
        for app in apps:
            app.process.kill()
        for app in apps:
            app.process.wait()


def _start(name: str, folder: Path, environment: Mapping[str, str]) -> App:
    log = folder / f"{name}.log"
    command = [sys.executable, "-m", "lineage.agent.launcher", sys.executable, str(APPS / f"{name}.py")]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    return App(name, process, log)


def environment(base: Mapping[str, str], bootstrap: str, prefix: str, spans: Path, orders: int) -> dict[str, str]:
    """Where Kafka is, for the applications; where spans go, for the agent. Other settings of an agent are left out."""
    kept = {name: value for name, value in base.items() if not name.startswith(("OTEL_", "LINEAGE_"))}
    app = {"KAFKA_BOOTSTRAP": bootstrap, "TOPIC_PREFIX": prefix, "ORDERS": str(orders)}
    agent = {"OTEL_TRACES_EXPORTER": "lineage_file", "LINEAGE_FILE_PATH": str(spans)}
    return {**kept, **app, **agent}


def wait_until_ready(apps: list[App]) -> None:
    """Wait until every application has its partitions, so that waiting times are the pipeline's, not the start's."""
    deadline = time.monotonic() + PATIENCE
    while not all(app.is_ready() for app in apps):
        _check(apps, deadline, "did not get its partitions")


def wait_until_done(apps: list[App]) -> None:
    """Wait for the end of every application."""
    deadline = time.monotonic() + PATIENCE
    while any(app.process.poll() is None for app in apps):
        _check(apps, deadline, "did not finish")
    _check(apps, deadline, "did not finish")


def _check(apps: list[App], deadline: float, complaint: str) -> None:
    for app in apps:
        if app.process.poll():
            raise LineageError(f"{app.name}.py ended with exit code {app.process.returncode}{_logs([app])}")
    if time.monotonic() > deadline:
        raise LineageError(f"an application {complaint} within {PATIENCE:.0f} s{_logs(apps)}")
    time.sleep(0.05)


def _logs(apps: list[App]) -> str:
    """The last lines of each application's output."""
    parts = []
    for app in apps:
        lines = app.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        parts.append("\n".join([f"\n--- {app.name}.py", *lines]))
    return "".join(parts)
