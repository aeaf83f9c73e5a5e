"""Where the time of one task goes, by function: a profile by py-spy, which does not slow down what it looks at.

What the client library takes counts as its caller's own: py-spy sees functions of Python only.

The agent is started by PYTHONPATH, as its launcher would: py-spy cannot follow the launcher into the command.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

from bench import Bench, Job
from tables import table
from variants import LINEAGE, SCRIPTS, VARIANTS, Variant

RATE = 500
SHOWN = 40


def profile(bench: Bench, task: str) -> list[str]:
    """CPU us per message: in each function itself, and with all that it calls."""
    program = SCRIPTS / "py-spy"
    if not program.exists():
        return ["No profile: py-spy is not installed (pip install py-spy, or .venvs/bench/bin/pip)."]
    topics = {"input": bench.filled(LINEAGE), "output": bench.topic(short=True)}
    job = Job(LINEAGE, task, bench.count, topics)
    options = [f"--{name}={value}" for name, value in job.options.items()]
    command = Variant().command("tasks.py", task, job.count, f"--bootstrap={bench.bootstrap}", *options)
    with tempfile.TemporaryDirectory() as folder:
        stacks = Path(folder) / "stacks"
        spy = [program, "record", "-F", "-r", str(RATE), "-f", "raw", "-o", stacks, "--", *command]
        subprocess.run(spy, env=_environment(bench), check=True, stdout=subprocess.DEVNULL)
        own, total = _count(stacks.read_text())
    rows = [
        [frame, _cost(own[frame], job.count), _cost(total[frame], job.count)] for frame, _ in own.most_common(SHOWN)
    ]
    return [
        f"{task}, {job.count:,} messages, us/message",
        "",
        *table(("function", "itself", "with what it calls"), rows),
    ]


def _environment(bench: Bench) -> dict[str, str]:
    spec = find_spec("lineage.agent")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    autoload = os.path.join(spec.submodule_search_locations[0], "autoload")  # noqa: PTH118 - a variable's value
    return {**VARIANTS[LINEAGE].environment(bench.endpoint), "PYTHONPATH": autoload}


def _count(stacks: str) -> tuple[Counter[str], Counter[str]]:
    """Samples in each function itself, and below it; each line is `outer;inner NUMBER`."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = _told(stack)
        own[frames[-1]] += int(samples)
        for frame in set(frames):
            total[frame] += int(samples)
    return own, total


def _told(stack: str) -> list[str]:
    # Imports are the start's, whichever function they are in; without frames it is the interpreter's start or end.
    return ["(imports)"] if "importlib" in stack else (stack or "(no Python function)").split(";")


def _cost(samples: int, count: int) -> str:
    return f"{samples / RATE / count * 1e6:.2f}"
