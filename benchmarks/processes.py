"""Run one process to its end and measure it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from threading import Timer
from typing import NamedTuple

from variants import Variant

# Nothing here takes that long: a process that does hangs, and must not stay behind.
LIMIT = 1800


class Run(NamedTuple):
    """CPU (user and system) and wall time in seconds until the exit, peak memory in MB, what it wrote to stdout.

    ``spans`` of it were received, ``twice`` of them more than once.
    """

    cpu: float
    wall: float
    memory: float
    output: str = ""
    spans: int = 0
    twice: int = 0

    def less(self, start: Run) -> Run:
        """Without what the same process takes to start and end."""
        return self._replace(cpu=self.cpu - start.cpu, wall=self.wall - start.wall)


def run(variant: Variant, endpoint: str, app: str, *arguments: object) -> Run:
    """Run one of our applications; an exit code other than 0 is an error."""
    command = variant.command(app, *arguments)
    begin = time.monotonic()
    process = start(variant, endpoint, command)
    timer = Timer(LIMIT, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        output = process.stdout.read()
        # Not wait(): what this very process took is told only once, here.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        timer.cancel()
        end(process)
    wall = time.monotonic() - begin
    if process.returncode != 0:
        raise RuntimeError(f"exit code {process.returncode}: {' '.join(command)}")
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, output)


def start(variant: Variant, endpoint: str, command: Sequence[str]) -> subprocess.Popen[str]:
    """Start a process whose stdout we read."""
    return subprocess.Popen(command, env=variant.environment(endpoint), stdout=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> None:
    """Whatever happened, leave no process behind."""
    if process.returncode is None:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
