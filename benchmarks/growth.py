"""How the cost of a message grows: with partitions, with headers, with threads, and over a long run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import median

from bench import Bench, Job
from processes import Run
from tables import table
from variants import BARE, LINEAGE

PARTITIONS = (1, 4, 16, 64)
HEADERS = (0, 1, 5, 20)
THREADS = (1, 4, 16)
TURNS = 10
# A longer run than the other sections', and with --long the one that the memory has to stay flat over.
TIMES, TIMES_LONG = 10, 100

Key = tuple[int, str, str]


def measure(full: Bench) -> list[str]:
    """One table for each thing that grows."""
    # There are many runs, and it is their differences that count.
    bench = replace(full, count=full.count // 2)
    return [
        *_one("partitions", bench, _partitions(bench)),
        *_one("headers of its own", bench, _headers(bench)),
        *_one("producing threads", bench, _threads(bench)),
        *_long_run(full),
    ]


def _one(what: str, bench: Bench, jobs: Mapping[Key, Job]) -> list[str]:
    runs = bench.alternating(jobs)
    tasks = list(dict.fromkeys(task for _, task, _ in runs))
    head = [what, *(f"{task}: {column}" for task in tasks for column in ("bare", "lineage", "added"))]
    rows = [
        [number, *(cell for task in tasks for cell in _cells(runs, number, task, bench.count))]
        for number in dict.fromkeys(number for number, _, _ in runs)
    ]
    about = f"CPU us/message with more {what}, {bench.count:,} messages, {bench.rounds} rounds."
    return [about, "", *table(head, rows), ""]


def _cells(runs: Mapping[Key, list[Run]], number: int, task: str, count: int) -> list[str]:
    bare, ours = (median(run.cpu for run in runs[number, task, variant]) / count * 1e6 for variant in (BARE, LINEAGE))
    return [f"{bare:.1f}", f"{ours:.1f}", f"{ours - bare:.1f}"]


def _partitions(bench: Bench) -> dict[Key, Job]:
    jobs = {}
    for number in PARTITIONS:
        where = {
            "input": bench.filled(LINEAGE, number),
            "output": bench.topic(number, short=True),
            "partitions": number,
        }
        jobs |= _both(bench, number, "produce", where) | _both(bench, number, "poll", where)
    return jobs


def _headers(bench: Bench) -> dict[Key, Job]:
    jobs = {}
    for number in HEADERS:
        where = {"input": bench.filled(LINEAGE, headers=number), "output": bench.topic(short=True), "headers": number}
        jobs |= _both(bench, number, "produce", where) | _both(bench, number, "poll", where)
    return jobs


def _threads(bench: Bench) -> dict[Key, Job]:
    jobs = {}
    for number in THREADS:
        jobs |= _both(bench, number, "produce", {"output": bench.topic(short=True), "threads": number})
    return jobs


def _both(bench: Bench, number: int, task: str, options: Mapping[str, object]) -> dict[Key, Job]:
    return {(number, task, variant): Job(variant, task, bench.count, options) for variant in (BARE, LINEAGE)}


def _long_run(bench: Bench) -> list[str]:
    """Consume -> produce for long, over and over the same input: cost and memory after each tenth."""
    count = bench.count * (TIMES_LONG if bench.long else TIMES)
    turns = max(TURNS, count // bench.count)
    options = {"input": bench.filled(LINEAGE), "output": bench.topic(short=True), "turns": turns}
    parts = [_parts(bench.once(Job(variant, "hop", count, options)), turns // TURNS) for variant in (BARE, LINEAGE)]
    head = ("messages", "bare: CPU us/message", "MB", "lineage: CPU us/message", "MB")
    rows = [[f"{bare[0]:,.0f}", *bare[1:], *ours[1:]] for bare, ours in zip(*parts, strict=True)]
    return [
        f"Consume -> produce, {count:,} messages in one process: cost within each part, resident memory after it.",
        "",
        *table(head, rows),
    ]


def _parts(run: Run, every: int) -> list[tuple[float, str, str]]:
    lines = [[float(word) for word in line.split()] for line in run.output.splitlines()][every - 1 :: every]
    pairs = zip([[0.0, 0.0, 0.0], *lines], lines, strict=False)
    return [(now[0], f"{(now[2] - last[2]) / (now[0] - last[0]) * 1e6:.1f}", f"{now[3]:.0f}") for last, now in pairs]
