"""``lineage demo``: a small real pipeline of plain applications under the agent, and what it shows."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn, TextIO

from lineage.demo import jaeger, kafka, pipeline
from lineage.model.errors import LineageError
from lineage.views import rows, style, tree
from lineage.views.rows import Row

ORDERS = 10


def show(bootstrap: str | None, stdout: TextIO, env: Mapping[str, str]) -> int:
    """Run the pipeline, print one event's trace and the totals; the result is the exit code."""
    with _ended_by_signals(), tempfile.TemporaryDirectory(prefix="lineage-demo-") as folder:
        spans = Path(folder) / "spans.jsonl"
        _say(stdout, f"using Kafka at {bootstrap}" if bootstrap else "starting an embedded broker")
        with nullcontext(bootstrap) if bootstrap else kafka.embedded() as address:
            _run(address, kafka.own_prefix() if bootstrap else "", spans, stdout, env)
        lines = spans.read_text(encoding="utf-8").splitlines() if spans.exists() else []
    traces = tree.traces(rows.read(lines))
    example = _check(traces)
    _say(stdout, _totals(traces))
    stdout.write("\n" + tree.render(traces[example], width=_width(stdout), paint=style.paint_for(stdout, env)) + "\n")
    _tell_jaeger(lines, example, stdout)
    return 0


def _run(address: str, prefix: str, spans: Path, stdout: TextIO, env: Mapping[str, str]) -> None:
    topics, groups = ([prefix + name for name in names] for names in (pipeline.TOPICS, pipeline.CONSUMERS))
    environment = pipeline.environment(env, address, prefix, spans, ORDERS)
    with kafka.topics(address, topics, groups):
        _say(stdout, f"created topics with {kafka.PARTITIONS} partitions at {address}: {', '.join(topics)}")
        with pipeline.running(list(pipeline.CONSUMERS), spans.parent, environment) as consumers:
            for name, way in pipeline.CONSUMERS.items():
                _say(stdout, f"  lineage-instrument python {name + '.py':12} {way}")
            pipeline.wait_until_ready(consumers)
            _say(stdout, f"  lineage-instrument python {pipeline.SOURCE + '.py':12} -> orders")
            with pipeline.running([pipeline.SOURCE], spans.parent, environment) as source:
                pipeline.wait_until_done([*source, *consumers])
            _say(stdout, f"{ORDERS} orders went all the way")


def _check(traces: Mapping[str, Sequence[Row]]) -> str:
    """The trace to show; an error if the pipeline was not traced as it should be."""
    whole = [name for name, spans in traces.items() if len(spans) == pipeline.SPANS_PER_ORDER]
    if len(traces) != ORDERS or len(whole) != ORDERS:
        found = f"{len(traces)} traces, {len(whole)} of them whole"
        raise LineageError(f"expected {ORDERS} whole traces, but found {found}; `lineage doctor` may know why")
    return whole[len(whole) // 2]


def _totals(traces: Mapping[str, Sequence[Row]]) -> str:
    spans = [row for each in traces.values() for row in each]
    services = len({row.service for row in spans})
    return f"{ORDERS} events, {len(spans)} spans, {len(traces)} traces: one for each event, through {services} services"


def _tell_jaeger(lines: Sequence[str], trace_id: str, stdout: TextIO) -> None:
    if not jaeger.answers():
        _say(stdout, f"no Jaeger at {jaeger.VIEWER}; start one, and the next demo sends it its traces")
    elif jaeger.send(lines):
        _say(stdout, f"the same trace in Jaeger: {jaeger.link(trace_id)}")
    else:
        _say(stdout, f"Jaeger's viewer answers at {jaeger.VIEWER}, but {jaeger.RECEIVER} did not take the traces")


def _say(stdout: TextIO, line: str) -> None:
    stdout.write(f"demo: {line}\n")
    stdout.flush()


def _width(stdout: TextIO) -> int:
    return shutil.get_terminal_size().columns if stdout.isatty() else 80


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM unwinds the stack, so that no process is left behind."""

    def end(*_: Any) -> NoReturn:
        sys.exit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
