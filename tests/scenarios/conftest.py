"""Fixtures of the scenarios: the embedded broker for all tests, a receiver for each."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.broker import embedded_broker
from support.receiver import Receiver


@pytest.fixture(scope="session")
def broker():
    with embedded_broker() as running:
        yield running


@pytest.fixture
def receiver():
    with Receiver() as listening:
        yield listening
