"""Faust on real Kafka: all ways to pass events on, and tables over restarts, recovery and rebalance."""

import shutil
import time
from dataclasses import replace

import pytest
from support.run import Agent, Stage, run_stages, start
from support.truth import assert_lineage, made_records

pytest.importorskip("faust", reason="faust-streaming is not installed")

from scenarios.test_faust import (
    WAYS,
    assert_connected,
    assert_counted,
    assert_reads,
    assert_rerouted,
    assert_writers,
    day,
    lineage_of,
    needs,
    to_changelog,
)


@pytest.fixture
def broker(broker):
    """The same with two partitions a topic."""
    return replace(broker, partitions=2)


@pytest.mark.parametrize("mode", WAYS)
def test_each_way_gives_connected_traces(mode, broker, receiver):
    """However events are passed on, theirs is the cause."""
    assert_connected(mode, broker, receiver)


@pytest.mark.parametrize("mode", ["through", "group_by"])
def test_events_take_another_topic(mode, broker, receiver):
    """What the library sends to a topic of its own making is a hop like any other."""
    assert_rerouted(mode, broker, receiver)


@pytest.mark.parametrize("mode", ["", "windows", "items"])
@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_a_table_knows_who_wrote_what_is_read(store, mode, broker, receiver, tmp_path):
    """Every get links to the true writer, every scan to those of all that it read."""
    assert_writers(store, mode, broker, receiver, tmp_path)


@pytest.mark.parametrize("kept", [True, False], ids=["same directory", "recovered from the changelog"])
@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_days_with_the_agent_and_without(store, kept, broker, receiver, tmp_path):
    """State goes on through all of them; what was written without the agent has no writer."""
    needs(store)
    days = 1, 2, 3, 4
    topics = broker.topics("orders", *(f"out{number}" for number in days))
    lines = []
    for number in days:
        source = Stage("source", writes=["orders"], count=30, name=f"source{number}")
        counter = replace(day(number, store, tmp_path, APP_IDLE="2"), count=30, bare=number == 3)
        finished = run_stages([source, counter], topics, Agent.reporting_to(receiver))
        lines += [{**line, "day": number} for line in finished["faust_table"].lines]
        if not kept:
            shutil.rmtree(tmp_path, ignore_errors=True)
    made = made_records(topics)
    spans = [span for span in receiver.spans if not to_changelog(span)]
    traced = assert_lineage(made, spans, unseen={topics.full("out3")})
    assert_counted(lines)
    assert_reads(traced, made, [line for line in lines if line["day"] != 3], unseen="source3")


def test_two_workers_take_over_from_each_other(broker, receiver, tmp_path):
    """Partitions move while events flow; the other worker knows who wrote what it recovers."""
    topics = broker.topics("orders", "out1")
    stop = tmp_path / "stop"
    agent = Agent.reporting_to(receiver)
    workers, sent = [], 0
    while sent < 20 and not (len(workers) == 2 and workers[1].output()):
        if len(workers) < 2:
            counter = day(1, "memory", tmp_path / str(sent), APP_UNTIL=str(stop))
            workers.append(start("faust_table", counter.environment(topics), agent, service=f"worker{sent}"))
        run_stages([Stage("source", writes=["orders"], count=20, name=f"source{sent}")], topics, agent)
        sent += 1
        wait_for(
            lambda all_of_them=20 * sent: len("".join(each.output() for each in workers).splitlines()) >= all_of_them
        )
    stop.touch()
    finished = [worker.finish() for worker in workers]
    assert [each.code for each in finished] == [0, 0], finished
    made = made_records(topics)
    lines = [line for each in finished for line in each.lines]
    assert all(each.lines for each in finished), "partitions did not move"
    assert_reads(lineage_of(made, receiver.spans), made, lines)


def wait_for(true, seconds=40):
    """Until this is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
