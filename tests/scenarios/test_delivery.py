"""Every span arrives while somebody receives, and nobody waits where nobody does."""

import os
import signal
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


@pytest.fixture(scope="module")
def flooded(broker):
    """A topic full of messages which the agent knows nothing of, and how the application did that without it."""
    topics = broker.topics("flood")
    return topics, flood(topics, None)[0]


@pytest.mark.parametrize("mode", ["produce", "poll", "consume"])
def test_no_span_is_lost_at_full_speed(mode, flooded, broker):
    """One hundred thousand messages are as many spans."""
    topics = broker.topics("flood") if mode == "produce" else flooded[0]
    with Receiver() as receiver:
        flood(topics, Agent.reporting_to(receiver), mode)
        verb = "send" if mode == "produce" else "process"
        assert receiver.count() == {f"{verb} {topics.full('flood')}": MANY}


@pytest.fixture(scope="module")
def with_receiver(broker):
    """How long the flood takes under the agent with a receiver that answers."""
    with Receiver() as receiver:
        return flood(broker.topics("flood"), Agent.reporting_to(receiver))[0]["seconds"]


@pytest.mark.parametrize("mode", ["refusing", "hanging", "unavailable"])
def test_a_receiver_that_is_down_costs_little(mode, flooded, with_receiver, broker):
    """The application is as fast as with one, stays small, says so once, and ends soon."""
    with Receiver(mode) as receiver:
        told, stderr, exit_seconds = flood(broker.topics("flood"), Agent.reporting_to(receiver))
    assert told["seconds"] <= with_receiver * 1.3 + 0.5
    assert told["peak_mb"] <= flooded[1]["peak_mb"] + 64
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


def pythons():
    """This Python with its confluent-kafka, and one with 2.12 if there is one."""
    old = os.environ.get("LINEAGE_PYTHON_212")
    missing = pytest.mark.skipif(
        old is None, reason="LINEAGE_PYTHON_212 names no Python with confluent-kafka 2.12 and the agent"
    )
    return [pytest.param(None, id="current"), pytest.param(old, id="2.12", marks=missing)]


@pytest.mark.parametrize("python", pythons())
@pytest.mark.parametrize(("mode", "code"), [("", -signal.SIGTERM), ("own handler", 7)])
def test_sigterm(mode, code, python, broker, receiver):
    """A long poll is killed within a second, yet its spans arrive; the application's own handler is left alone."""
    topics = broker.topics("orders", "out")
    agent = Agent.reporting_to(receiver)
    start("source", Stage("source", writes=["orders"]).environment(topics), agent, service="source").finish()
    stage = Stage("waiting", ["orders"], ["out"], mode=mode)
    with ExitStack() as cleanup:
        waiting = start(
            "waiting", stage.environment(topics), agent, service="waiting", **({"python": python} if python else {})
        )
        cleanup.callback(waiting.process.kill)
        wait_until(lambda: "ready" in waiting.output())
        time.sleep(0.3)
        waiting.process.send_signal(signal.SIGTERM)
        sent = time.monotonic()
        finished = waiting.finish(20)
    assert finished.code == code, finished.stderr
    assert time.monotonic() - sent < 1 or mode
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
