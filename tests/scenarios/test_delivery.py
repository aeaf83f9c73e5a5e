"""Every span arrives while somebody receives, and nobody waits where nobody does."""

import os
import signal
import sys
import time
from contextlib import ExitStack

import pytest
from support.receiver import GrpcReceiver, Receiver
from support.run import Agent, Stage, start
from support.scenario import run_pipeline
from support.truth import assert_lineage, made_records

MANY = 100_000


def flood(topics, agent, mode="produce", count=MANY):
    """Run the flood, and give what it tells of itself, its standard error, and how long it took to end after that."""
    where = {"writes": ["flood"]} if mode == "produce" else {"reads": ["flood"]}
    stage = Stage("flood", **where, mode=mode, count=count)
    finished = start("flood", stage.environment(topics), agent, service="flood").finish(120)
    exit_seconds = time.time() - finished.lines[-1]["ended"] if finished.lines else None
    assert finished.code == 0, finished.stderr
    return finished.lines[-1], finished.stderr, exit_seconds


class Floods:
    """Floods of each mode: into a topic of their own, or out of one that was filled without the agent."""

    def __init__(self, broker):
        self._broker = broker
        self._full = broker.topics("flood")
        flood(self._full, None)
        self._runs = {}

    def topics(self, mode):
        return self._broker.topics("flood") if mode == "produce" else self._full

    def bare(self, mode):
        """How the application does without the agent."""
        return self._once(mode, lambda topics: flood(topics, None, mode)[0])

    def received(self, mode):
        """How it does under the agent, and which spans came of it, when somebody receives."""
        return self._once((mode, "received"), lambda topics: self._receiving(topics, mode))

    def _once(self, run, make):
        if run not in self._runs:
            self._runs[run] = make(self.topics(run if isinstance(run, str) else run[0]))
        return self._runs[run]

    def _receiving(self, topics, mode):
        with Receiver() as receiver:
            return flood(topics, Agent.reporting_to(receiver), mode)[0], receiver.count()


@pytest.fixture(scope="module")
def floods(broker):
    return Floods(broker)


@pytest.mark.parametrize("mode", ["produce", "poll", "consume"])
def test_no_span_is_lost_at_full_speed(mode, floods):
    """One hundred thousand messages are as many spans."""
    _, counted = floods.received(mode)
    assert list(counted.values()) == [MANY]


@pytest.mark.parametrize(
    ("receiver_is", "mode"),
    [
        ("refusing", "produce"),
        ("hanging", "produce"),
        ("unavailable", "produce"),
        ("refusing", "poll"),
        ("hanging", "poll"),
        ("hanging", "consume"),
    ],
)
def test_a_receiver_that_is_down_costs_little(receiver_is, mode, floods):
    """The application is as fast as with one, stays small, says so once, and ends soon."""
    with Receiver(receiver_is) as receiver:
        told, stderr, exit_seconds = flood(floods.topics(mode), Agent.reporting_to(receiver), mode)
    assert told["seconds"] <= floods.received(mode)[0]["seconds"] * 1.3 + 0.5
    assert told["peak_mb"] <= floods.bare(mode)["peak_mb"] + 64
    assert len(stderr.splitlines()) == 1, stderr
    assert exit_seconds <= 2.5


def test_a_slow_receiver_gets_everything(broker):
    """It may take half a second to answer."""
    with Receiver("slow", delay=0.5) as receiver:
        topics = broker.topics("flood")
        flood(topics, Agent.reporting_to(receiver), count=20_000)
        assert receiver.count().total() == 20_000


def test_grpc(broker):
    """The same spans by OTLP over gRPC."""
    stages = [Stage("source", writes=["orders"]), Stage("poll", ["orders"], ["out"]), Stage("sink", ["out"])]
    with GrpcReceiver() as receiver:
        run_pipeline(stages, broker, receiver).assert_lineage()


CURRENT, OLD = sys.executable, os.environ.get("LINEAGE_PYTHON_212")
old_one = pytest.mark.skipif(
    OLD is None, reason="LINEAGE_PYTHON_212 names no Python with confluent-kafka 2.12 and the agent"
)


@pytest.mark.parametrize(
    ("mode", "code", "python"),
    [
        pytest.param("", -signal.SIGTERM, CURRENT, id="no handler"),
        pytest.param("handler that exits", 7, CURRENT, id="handler that exits"),
        pytest.param("handler that notes", 7, CURRENT, id="handler that notes"),
        # With a handler that version stays in a long poll until its end, agent or not.
        pytest.param("", -signal.SIGTERM, OLD, id="no handler, 2.12", marks=old_one),
        pytest.param("handler that notes", 7, OLD, id="handler that notes, 2.12", marks=old_one),
    ],
)
def test_sigterm(mode, code, python, broker, receiver):
    """It ends a poll of 30 seconds within one, yet all spans arrive; the application's own handler is left alone."""
    topics = broker.topics("orders", "out")
    agent = Agent.reporting_to(receiver)
    start("source", Stage("source", writes=["orders"]).environment(topics), agent, service="source").finish()
    stage = Stage("waiting", ["orders"], ["out"], mode=mode)
    with ExitStack() as cleanup:
        waiting = start("waiting", stage.environment(topics), agent, service="waiting", python=python)
        cleanup.callback(waiting.process.kill)
        wait_until(lambda: "ready" in waiting.output())
        time.sleep(0.3)
        waiting.process.send_signal(signal.SIGTERM)
        sent = time.monotonic()
        finished = waiting.finish(20)
        seconds = time.monotonic() - sent
    assert finished.code == code, finished.stderr
    assert seconds < 1
    assert ("stopped by its own handler" in finished.stdout) == bool(mode)
    assert_lineage(made_records(topics), receiver.spans)
    assert sum(span.kind == "CONSUMER" for span in receiver.spans) == 20


@pytest.mark.parametrize("way", ["os.fork", "fork", "spawn", "forkserver", "subprocess"])
def test_children_are_traced(way, broker, receiver):
    """Spans of parent and child arrive, each once."""
    run_pipeline([Stage("children", writes=["out"], mode=way)], broker, receiver).assert_lineage()


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
