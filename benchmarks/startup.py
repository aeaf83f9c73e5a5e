"""What the agent adds to the start and end of a process: the smallest application, over HTTP, no other instrumentations."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from bench import Bench, say
from processes import Run
from tables import met, spread, table
from variants import BARE, LINEAGE, OPENTELEMETRY

LIMIT = 200
LEAST_ROUNDS = 10
VARIANTS = (BARE, LINEAGE, OPENTELEMETRY)


def measure(bench: Bench) -> list[str]:
    """Alternating runs, and the targets."""
    rounds = max(bench.rounds, LEAST_ROUNDS)
    runs: dict[str, list[Run]] = defaultdict(list)
    for _ in range(rounds):
        for variant in VARIANTS:
            runs[variant].append(bench.process(variant, "start.py", bench.bootstrap))
            say(f"{variant}: start {runs[variant][-1].wall:.3f} s")
    wall = {variant: [run.wall * 1e3 for run in runs[variant]] for variant in VARIANTS}
    cpu = {variant: [run.cpu * 1e3 for run in runs[variant]] for variant in VARIANTS}
    rows = [
        [name, spread(wall[name], 0), _over(wall, name), spread(cpu[name], 0), _over(cpu, name)] for name in VARIANTS
    ]
    return [
        f"Import confluent_kafka, make a Producer, end; {rounds} rounds.",
        "",
        *table(("variant", "wall ms", "added", "CPU ms", "added"), rows),
        "",
        *table(("target: wall ms added", "limit", "measured", ""), _targets(wall)),
    ]


def _added(numbers: dict[str, list[float]], variant: str) -> float:
    return median(numbers[variant]) - median(numbers[BARE])


def _over(numbers: dict[str, list[float]], variant: str) -> str:
    return "" if variant == BARE else f"{_added(numbers, variant):.0f}"


def _targets(wall: dict[str, list[float]]) -> list[list[str]]:
    ours, theirs = _added(wall, LINEAGE), _added(wall, OPENTELEMETRY)
    return [
        ["over `python app.py`", f"{LIMIT}", f"{ours:.0f}", met(ours, LIMIT)],
        ["less than `opentelemetry-instrument`", f"{theirs:.0f}", f"{ours:.0f}", met(ours, theirs)],
    ]
