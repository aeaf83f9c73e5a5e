"""What tests of the agent's inside get: the errors that it swallowed, and a recorder in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lineage.agent import ending, guard, sends
from lineage.agent.patches.confluent_kafka import consumer, producer
from support.memory import World, clean


@pytest.fixture(autouse=True)
def _swallowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Exception]]:
    caught: list[Exception] = []
    # Where each error would cost a call, modules swallow theirs themselves.
    for module in (sends, producer, consumer, ending, guard):
        monkeypatch.setattr(module, "swallow", caught.append)
    yield caught
    for error in caught:
        raise error


@pytest.fixture
def swallowed(_swallowed: list[Exception]) -> Iterator[list[Exception]]:
    """For a test that makes the agent fail: what was swallowed, which then is no failure of the test."""
    yield _swallowed
    _swallowed.clear()


@pytest.fixture
def world() -> Iterator[World]:
    """A recorder with default settings, a producer and a consumer."""
    with clean():
        yield World()


@pytest.fixture
def make() -> Iterator[type[World]]:
    """Worlds with settings of their own."""
    with clean():
        yield World
