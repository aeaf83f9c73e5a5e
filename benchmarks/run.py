"""Measure what tracing costs: ours against none and against OpenTelemetry's own instrumentation, in one run.

Usage: python benchmarks/run.py [--count N] [--rounds N] [--bootstrap HOST:PORT] [--write FILE]

CPU is that of the whole process until its exit, user and system, less that of the same process with no message: the start is
measured apart. Variants alternate, and medians are shown, as wall time and even CPU time vary from run to run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import NamedTuple

from confluent_kafka.admin import AdminClient, NewTopic

HERE = Path(__file__).parent
SCRIPTS = Path(sys.executable).parent
VARIANTS = {"bare": [], "lineage": ["lineage-instrument"], "opentelemetry": ["opentelemetry-instrument"]}
SPANS = {
    "produce": {"lineage": 1.0, "opentelemetry": 1.0},
    "poll": {"lineage": 1.0, "opentelemetry": 2.0},
    "consume": {"lineage": 1.0},
    "hop": {"lineage": 2.0, "opentelemetry": 3.0},
}


_ONLY = {
    "bare": {},
    "lineage": {"OTEL_PYTHON_DISTRO": "lineage", "OTEL_PYTHON_CONFIGURATOR": "lineage"},
    # The distribution of OpenTelemetry itself, without ours, which its launcher would find.
    "opentelemetry": {
        "OTEL_PYTHON_DISTRO": "distro",
        "OTEL_PYTHON_CONFIGURATOR": "configurator",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "lineage",
    },
}


class Run(NamedTuple):
    """One process: CPU and wall time in seconds, peak memory in MB, spans received."""

    cpu: float
    wall: float
    memory: float
    spans: int


def main() -> int:
    """Run everything and print the table."""
    options = _options()
    receiver = subprocess.Popen([sys.executable, HERE / "receiver.py"], stdout=subprocess.PIPE, text=True)
    assert receiver.stdout is not None
    port = int(receiver.stdout.readline())
    try:
        lines = _table(_measure(options.bootstrap, port, options.count, options.rounds), options.count)
    finally:
        receiver.terminate()
    sys.stdout.write("\n".join(lines) + "\n")
    if options.write:
        _insert(options.write, lines)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="messages of 200 bytes in a run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each variant")
    parser.add_argument("--bootstrap", default=os.environ.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092"), help="a real Kafka")
    parser.add_argument("--write", type=Path, help="a Markdown file whose table is replaced")
    return parser.parse_args()


def _measure(bootstrap: str, port: int, count: int, rounds: int) -> dict[tuple[str, str], list[Run]]:
    topic = f"bench{time.time_ns()}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(topic, 1), NewTopic(f"{topic}.out", 1)]).values():
        future.result(30)
    runs: dict[tuple[str, str], list[Run]] = defaultdict(list)
    _run("bare", ["produce", bootstrap, topic, str(count)], port)
    for round_ in range(rounds):
        for task in SPANS:
            for variant in VARIANTS:
                start = _run(variant, [task, bootstrap, topic, "0"], port)
                run = _run(variant, [task, bootstrap, topic, str(count)], port)
                runs[task, variant].append(run._replace(cpu=run.cpu - start.cpu, wall=run.wall - start.wall))
                sys.stderr.write(f"round {round_ + 1}: {task} {variant} {run}\n")
    return runs


def _run(variant: str, arguments: list[str], port: int) -> Run:
    prefix = [str(SCRIPTS / name) for name in VARIANTS[variant]]
    command = [*prefix, sys.executable, str(HERE / "apps.py"), *arguments]
    begin = time.monotonic()
    process = subprocess.Popen(command, env=_environment(port, variant))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - begin
    assert process.returncode == 0, (command, process.returncode)
    spans = int(urllib.request.urlopen(f"http://127.0.0.1:{port}/").read())
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, spans)


def _environment(port: int, variant: str) -> dict[str, str]:
    own = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": "bench",
    }
    return {**os.environ, **own, **_ONLY[variant]}


def _table(runs: dict[tuple[str, str], list[Run]], count: int) -> list[str]:
    head = "| task | variant | CPU us/message | added | wall us/message | spans received | peak MB |"
    lines = [head, "| --- | --- | --- | --- | --- | --- | --- |"]
    for (task, variant), results in runs.items():
        cpu = median(run.cpu for run in results) / count * 1e6
        bare = median(run.cpu for run in runs[task, "bare"]) / count * 1e6
        wall = median(run.wall for run in results) / count * 1e6
        expected = SPANS[task].get(variant)
        spans = min(run.spans for run in results)
        share = "" if expected is None else f" ({spans / expected / count:.1%})"
        added = "" if variant == "bare" else f"{cpu - bare:.1f}"
        memory = median(run.memory for run in results)
        lines.append(f"| {task} | {variant} | {cpu:.1f} | {added} | {wall:.1f} | {spans:,}{share} | {memory:.0f} |")
    return lines


def _insert(path: Path, lines: list[str]) -> None:
    """Replace the table between the two marks."""
    begin, end = "<!-- table -->\n", "<!-- /table -->"
    text = path.read_text()
    head, _, rest = text.partition(begin)
    path.write_text(head + begin + "\n".join(lines) + "\n" + end + rest.partition(end)[2])


if __name__ == "__main__":
    raise SystemExit(main())
