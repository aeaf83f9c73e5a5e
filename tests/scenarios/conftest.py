"""Fixtures of the scenarios: the embedded broker for all tests, a receiver for each."""

import pytest
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
