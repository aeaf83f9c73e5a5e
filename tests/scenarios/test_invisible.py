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


# A class made in Python has no module in its C name, and says in its own words that an argument came twice.
SAME = {"'cimpl.Producer'": "'Producer'", "'cimpl.Consumer'": "'Consumer'"} | {
    "argument for function given by name ('topic') and position (1)": "Producer.produce() got multiple values for argument 'topic'"
}


def test_nothing_differs(reports):
    """Results, exceptions, their texts, types, callbacks and headers, probe by probe."""
    bare, traced = reports
    assert set(traced) == set(bare)
    differing = list(differences(bare, traced, ()))
    assert not differing, "\n".join(differing)


def differences(bare, traced, path):
    """Where two reports differ, as deep inside as can be told."""
    if isinstance(bare, dict) and isinstance(traced, dict) and set(bare) == set(traced):
        for name in bare:
            yield from differences(bare[name], traced[name], (*path, name))
    elif isinstance(bare, list) and isinstance(traced, list) and len(bare) == len(traced):
        for index, both in enumerate(zip(bare, traced, strict=True)):
            yield from differences(*both, (*path, index))
    elif unified(bare) != unified(traced):
        yield f"{path}\n  bare  {bare!r:.800}\n  agent {traced!r:.800}"


def unified(value):
    """Values apart from the wordings that cannot be the same."""
    if isinstance(value, str):
        for one, other in SAME.items():
            value = value.replace(one, other)
    return value
