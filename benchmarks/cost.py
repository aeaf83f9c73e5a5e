"""What a message costs: each task bare and under each tracer, with the targets."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench import Bench, Job
from processes import Run
from tables import met, spread, table
from variants import BARE, DISABLED, EVERYTHING, EXCLUDED, LINEAGE, NO_CONTEXT, OPENTELEMETRY, SAMPLED, VARIANTS

TASKS = ("produce", "poll", "consume", "hop")
# Measured apart, call by call (untraced.py): a whole process is too noisy for them.
LEFT_OUT = (EXCLUDED, DISABLED)
HEAD = (
    "task",
    "variant",
    "CPU us/message",
    "added",
    "of OpenTelemetry's",
    "of all kept",
    "wall us/message",
    "spans received",
    "peak MB",
)
# Added CPU us per message, and the share of what OpenTelemetry adds when it keeps all spans.
ADDED = {"produce": 7, "poll": 9, "consume": 7, "hop": 16}
SHARE = {"produce": 1 / 20, "poll": 1 / 20}
# A hop is two messages, one in and one out.
SAMPLED_OUT = {"produce": 2.5, "poll": 2.5, "consume": 2.5, "hop": 5.0}

Runs = dict[tuple[str, str], list[Run]]


def measure(bench: Bench) -> list[str]:
    """The table of all runs, and that of the targets."""
    runs: Runs = bench.alternating(_jobs(bench))
    costs = Costs(runs, bench.count)
    about = (
        f"{bench.count:,} messages of 200 bytes, {bench.rounds} rounds. CPU: the median, and from least to most; `added` compares "
        "the least, as a machine that others use, too, only ever adds."
    )
    return [about, "", *table(HEAD, map(costs.row, runs)), "", *_targets(costs)]


def _jobs(bench: Bench) -> dict[tuple[str, str], Job]:
    wanted = {name: variant for name, variant in VARIANTS.items() if name not in LEFT_OUT}
    inputs = {name: bench.filled(name) for name in dict.fromkeys(variant.reads for variant in wanted.values())}
    output = bench.topic(short=True)
    return {
        (task, name): Job(name, task, bench.count, {"input": inputs[variant.reads], "output": output})
        for task in TASKS
        for name, variant in wanted.items()
        # A producer reads nothing.
        if not (task == "produce" and name == NO_CONTEXT)
    }


class Costs:
    """All runs, seen as costs per message."""

    def __init__(self, runs: Runs, count: int) -> None:
        self._runs = runs
        self._count = count

    def cpu(self, task: str, variant: str) -> list[float]:
        """CPU us per message, of each run."""
        return [run.cpu / self._count * 1e6 for run in self._runs[task, variant]]

    def added(self, task: str, variant: str) -> float:
        """CPU us per message on top of the bare run's: the least of each, as a busy machine only ever adds."""
        return min(self.cpu(task, variant)) - min(self.cpu(task, BARE))

    def share(self, task: str, variant: str, other: str) -> float:
        """What a variant adds, as a share of what the other adds."""
        return self.added(task, variant) / self.added(task, other)

    def row(self, key: tuple[str, str]) -> list[str]:
        """One line of the table."""
        task, variant = key
        runs = self._runs[key]
        bare = variant == BARE
        shares = ["" if bare else f"{self.share(task, variant, other):.1%}" for other in (OPENTELEMETRY, EVERYTHING)]
        wall = median(run.wall for run in runs) / self._count * 1e6
        memory = median(run.memory for run in runs)
        added = "" if bare else f"{self.added(task, variant):.1f}"
        return [*key, spread(self.cpu(*key)), added, *shares, f"{wall:.1f}", self._received(key), f"{memory:.0f}"]

    def _received(self, key: tuple[str, str]) -> str:
        # The worst of the rounds.
        task, variant = key
        spans = min(run.spans for run in self._runs[key])
        expected = VARIANTS[variant].spans.get(task)
        return f"{spans:,} ({spans / expected / self._count:.1%})" if expected else f"{spans:,}"


def _targets(costs: Costs) -> list[str]:
    return table(("target", "limit", "measured", ""), _target_rows(costs))


def _target_rows(costs: Costs) -> Iterator[tuple[object, ...]]:
    for task, limit in ADDED.items():
        added = costs.added(task, LINEAGE)
        yield f"{task}: added CPU us/message", limit, f"{added:.1f}", met(added, limit)
    for task, most in SHARE.items():
        share = costs.share(task, LINEAGE, EVERYTHING)
        yield f"{task}: share of OpenTelemetry, all kept", f"{most:.0%}", f"{share:.1%}", met(share, most)
    for task, limit in SAMPLED_OUT.items():
        added = costs.added(task, SAMPLED)
        yield f"{task}, 1 % sampled: added CPU us/message", limit, f"{added:.1f}", met(added, limit)
