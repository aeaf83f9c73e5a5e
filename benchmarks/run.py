"""Measure what tracing costs: ours against none and against others, in one run on one machine.

Usage: python benchmarks/run.py [--only cost,startup] [--count N] [--rounds N] [--long] [--write FILE]
       python benchmarks/run.py --profile TASK
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

import cost
import delivery
import growth
import latency
import startup
import steps
import untraced
from bench import Bench, receiving, say
from profiles import profile
from tables import insert

SECTIONS: dict[str, Callable[[Bench], list[str]]] = {
    "steps": steps.measure,
    "startup": startup.measure,
    "cost": cost.measure,
    "untraced": untraced.measure,
    "growth": growth.measure,
    "latency": latency.measure,
    "delivery": delivery.measure,
}


def main() -> int:
    """Run what is asked for; each section is shown and written as soon as it is done."""
    options = _options()
    with receiving() as endpoint:
        bench = Bench(options.bootstrap, options.count, options.rounds, options.long, endpoint)
        try:
            if options.profile:
                _show(profile(bench, options.profile))
            else:
                _sections(bench, options.only, options.write)
        finally:
            bench.clean()
    return 0


def _sections(bench: Bench, names: Sequence[str], page: Path | None) -> None:
    if page is not None:
        insert(page, "machine", [_machine()])
    for name in names:
        begin = time.monotonic()
        lines = SECTIONS[name](bench)
        say(f"{name}: {time.monotonic() - begin:.0f} s")
        _show(lines)
        if page is not None:
            insert(page, name, lines)


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("confluent-kafka", "opentelemetry-sdk"))
    system = f"{platform.system()} on {platform.machine()}, {os.cpu_count()} CPUs"
    return f"{system}; Python {platform.python_version()}, {packages}; {date.today():%Y-%m-%d}."  # noqa: DTZ011 - a day


def _show(lines: Sequence[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", type=_names, default=list(SECTIONS), help=f"some of {','.join(SECTIONS)}")
    parser.add_argument("--count", type=int, default=100_000, help="messages of 200 bytes in a run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each variant")
    parser.add_argument("--long", action="store_true", help="growth: 100 times the messages in one process, not 10")
    parser.add_argument("--bootstrap", default=os.environ.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092"), help="a real Kafka")
    parser.add_argument("--write", type=Path, help="a Markdown page whose marked blocks are replaced")
    parser.add_argument("--profile", choices=cost.TASKS, help="show where the time of one task goes, and nothing else")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in SECTIONS]:
        raise argparse.ArgumentTypeError(f"no such section: {', '.join(unknown)}")
    return names


if __name__ == "__main__":
    raise SystemExit(main())
