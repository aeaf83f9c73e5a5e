"""How long a message takes from produce to its arrival, at a fixed rate, with and without the agent in both processes."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from bench import Bench, say
from processes import end, start
from tables import met, spread, table
from variants import BARE, LINEAGE, VARIANTS

RATE = 1000
SECONDS = 8
LEAST_ROUNDS = 5


def measure(bench: Bench) -> list[str]:
    """Alternating runs: p50 and p99 of each, and whether ours lie within the spread of the bare ones."""
    rounds = max(bench.rounds, LEAST_ROUNDS)
    topic = bench.topic()
    runs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(rounds):
        for variant in (BARE, LINEAGE):
            runs[variant].append(_once(bench, variant, topic))
            say(f"{variant}: p50, p99 {runs[variant][-1]} ms")
    about = f"{RATE:,} messages a second for {SECONDS} s, the first second left out, linger.ms 0; {rounds} rounds."
    columns = {variant: [*zip(*runs[variant], strict=True)] for variant in runs}
    rows = [[variant, *(spread(column, 2) for column in columns[variant])] for variant in runs]
    targets = map(_target, ("p50 ms", "p99 ms"), columns[BARE], columns[LINEAGE])
    return [about, "", *table(("variant", "p50 ms", "p99 ms"), rows), "", *table(_HEAD, targets)]


_HEAD = ("target: within the spread of the bare runs", "limit", "measured", "")


def _target(name: str, bare: tuple[float, ...], ours: tuple[float, ...]) -> list[str]:
    return [name, f"{max(bare):.2f}", f"{median(ours):.2f}", met(median(ours), max(bare))]


def _once(bench: Bench, variant: str, topic: str) -> tuple[float, float]:
    count = RATE * SECONDS
    command = VARIANTS[variant].command("pong.py", bench.bootstrap, topic, count, RATE)
    receiver = start(VARIANTS[variant], bench.endpoint, command)
    try:
        assert receiver.stdout is not None
        receiver.stdout.readline()
        bench.process(variant, "ping.py", bench.bootstrap, topic, count, RATE)
        p50, p99 = map(float, receiver.stdout.read().split())
        receiver.wait(30)
    finally:
        end(receiver)
    return p50, p99
