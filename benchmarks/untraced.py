"""What the agent costs where it is loaded and traces nothing: too little to see in a whole process, so it is timed by the call."""

from __future__ import annotations

from collections import defaultdict

from bench import Bench, say
from tables import met, spread, table
from variants import BARE, DISABLED, EXCLUDED, LINEAGE

TASKS = ("produce", "poll", "consume")
LIMIT = 0.15
CHUNKS = 5
# Chunks of half the messages of the other sections, CHUNKS of them in each of so many processes.
ROUNDS = 3


def measure(bench: Bench) -> list[str]:
    """CPU of the calling thread per message."""
    name, output = bench.filled(LINEAGE), bench.topic(short=True)
    size = bench.count // 2
    best: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for task in TASKS:
            for variant in (BARE, EXCLUDED, DISABLED):
                run = bench.process(variant, "calls.py", task, bench.bootstrap, name, output, size, CHUNKS)
                say(f"{variant}: {task} {run.output.strip()}")
                best[task, variant].append(float(run.output))
    about = (
        f"CPU of the calling thread alone, us/message: the cheapest of {ROUNDS * CHUNKS} chunks of {size:,} messages."
    )
    head = ("task", "variant", "us/message: least of each process", "added", f"target {LIMIT}")
    return [about, "", *table(head, [_row(best, *key) for key in best])]


def _row(best: dict[tuple[str, str], list[float]], task: str, variant: str) -> list[str]:
    numbers = best[task, variant]
    added = min(numbers) - min(best[task, BARE])
    told = ["", ""] if variant == BARE else [f"{added:.2f}", met(added, LIMIT)]
    return [task, variant, spread(numbers, 2), *told]
