"""Fixtures of the integration tests: real Kafka, and Jaeger. Without them tests are skipped, in CI they fail."""

import os
import subprocess
from pathlib import Path

import pytest
from support.broker import real_broker
from support.receiver import Receiver


def absent(what):
    """Skip for want of a service, but never in CI."""
    hint = f"{what}: set LINEAGE_TOOLS to the folder with the kafka/ and jaeger/ scripts"
    if os.environ.get("CI") == "true":
        pytest.fail(hint)
    pytest.skip(hint)


@pytest.fixture(scope="session")
def broker():
    return real_broker() or absent("no Kafka (KAFKA_BOOTSTRAP works too)")


@pytest.fixture
def receiver():
    with Receiver() as listening:
        yield listening


@pytest.fixture(scope="session")
def jaeger():
    """The address of Jaeger's query API; its OTLP port is the usual one."""
    if (address := os.environ.get("JAEGER_QUERY")) is not None:
        return address
    tools = os.environ.get("LINEAGE_TOOLS") or absent("no Jaeger (JAEGER_QUERY works too)")
    subprocess.run([Path(tools) / "jaeger" / "jaeger-up.sh"], check=True, stdout=subprocess.DEVNULL, timeout=900)
    return "http://127.0.0.1:16686"
