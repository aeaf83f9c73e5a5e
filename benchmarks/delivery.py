"""What arrives, and what the application feels, when the receiver is slow."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from bench import Bench, Job
from processes import Run
from tables import table
from variants import BARE, LINEAGE

DELAYS = (0.0, 0.01, 0.1, 1.0)
TIMES = 5
TURNS = 10


class Point(NamedTuple):
    """The application at one time: messages so far, seconds, CPU seconds, resident MB, spans that the agent gave up."""

    count: float
    time: float
    cpu: float
    memory: float
    dropped: float


def measure(bench: Bench) -> list[str]:
    """Produce at full speed: what became of the spans, and the way over time."""
    count = bench.count * TIMES
    job = Job(LINEAGE, "produce", count, {"output": bench.topic(short=True), "turns": TURNS})
    runs = {"no agent": bench.once(job._replace(variant=BARE))}
    try:
        for delay in DELAYS:
            bench.ask(f"/delay/{delay}")
            runs[f"{delay:g} s"] = bench.once(job)
    finally:
        bench.ask("/delay/0")
    points = {
        name: [Point(*map(float, line.split())) for line in run.output.splitlines()] for name, run in runs.items()
    }
    rows = [_outcome(name, points[name][-1], run) for name, run in runs.items()]
    over_time = [
        [f"{each[0].count:,.0f}", *map(_now, each)] for each in zip(*map(_steps, points.values()), strict=True)
    ]
    return [
        f"Produce, {count:,} messages at full speed, one process for each receiver: it takes so long for each request.",
        "",
        *table(
            ("receiver", "spans received", "of them twice", "given up while running", "left at the exit", "peak MB"),
            rows,
        ),
        "",
        "Over time: messages a second since the line before, resident MB.",
        "",
        *table(("messages", *points), over_time),
    ]


def _outcome(name: str, last: Point, run: Run) -> list[str]:
    if name == "no agent":
        return [name, "", "", "", "", f"{run.memory:.0f}"]
    # What the agent had not given up when the work was done and did not arrive either, it could not send within its limit.
    left = last.count - last.dropped - run.spans
    return [name, f"{run.spans:,}", f"{run.twice:,}", f"{last.dropped:,.0f}", f"{left:,.0f}", f"{run.memory:.0f}"]


class Step(NamedTuple):
    """One part of the way: messages so far, how fast, and the memory at its end."""

    count: float
    rate: float
    memory: float


def _steps(points: list[Point]) -> list[Step]:
    # The first turn also holds the connection to the broker: rates begin with the second.
    return [
        Step(now.count, (now.count - last.count) / (now.time - last.time), now.memory) for last, now in pairwise(points)
    ]


def _now(step: Step) -> str:
    return f"{step.rate:,.0f}/s, {step.memory:.0f} MB"
