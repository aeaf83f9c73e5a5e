"""Run Python in a process of its own, bare or under a launcher: what happens at start cannot be tested in this one."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

SCRIPTS = Path(sysconfig.get_path("scripts"))
LINEAGE = str(SCRIPTS / "lineage-instrument")
OPENTELEMETRY = str(SCRIPTS / "opentelemetry-instrument")


def environment(**settings: str) -> dict[str, str]:
    """This process's, without anything that would configure an agent, and without spans going anywhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "LINEAGE_", "PYTHON"))}
    return {**kept, "OTEL_TRACES_EXPORTER": "none", "PYTHONDONTWRITEBYTECODE": "1", **settings}


def run(*command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment(**settings), capture_output=True, text=True, timeout=60, check=False)


def python(code: str, *launcher: str, **settings: str) -> str:
    """What the code prints; it must end well and say nothing on stderr."""
    ended = run(*launcher, sys.executable, "-c", code, **settings)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    return ended.stdout.strip()
