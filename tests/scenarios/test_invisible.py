"""confluent-kafka behaves the same with and without the agent, as far as an application can see."""

import json

import pytest
from support.run import Agent, Stage, start


@pytest.fixture(scope="module")
def reports(broker):
    """What the probe reports, bare and under the agent (its receiver is not listening: that must not show either)."""
    return [report(broker, agent) for agent in (None, Agent("http://127.0.0.1:1"))]


def report(broker, agent):
    topics = broker.topics("probe")
    finished = start("probe", Stage("probe", writes=["probe"]).environment(topics), agent, service="probe").finish(90)
    assert finished.code == 0, finished.stderr
    return json.loads(finished.stdout.replace(topics.prefix, ""))


def test_nothing_differs(reports):
    """Results, exceptions, their texts, types, callbacks and headers, probe by probe."""
    bare, traced = reports
    assert set(traced) == set(bare)
    differing = {name: (bare[name], traced[name]) for name in bare if traced[name] != bare[name]}
    assert not differing, "\n\n".join(f"{name}\n  bare  {one}\n  agent {two}" for name, (one, two) in differing.items())
