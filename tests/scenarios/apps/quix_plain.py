"""What the Quix Streams applications share: where to connect, and how long to wait for more. No tracing code."""

import os

from plain import CLIENT, GROUP, NAME, PARTITIONS, READS, WRITES
from quixstreams import Application
from quixstreams.models import TopicConfig

IDLE = float(os.environ.get("APP_IDLE", "3"))
"""Seconds without a message after which an application has done its work."""
CONFIG = TopicConfig(num_partitions=len(PARTITIONS), replication_factor=1)


def application(**more):
    """An application of this test, with its state where the test wants it."""
    return Application(
        broker_address=CLIENT["bootstrap.servers"],
        consumer_group=GROUP,
        auto_offset_reset="earliest",
        state_dir=os.environ["APP_STATE"],
        commit_every=int(os.environ.get("APP_COMMIT_EVERY", "7")),
        processing_guarantee=os.environ.get("APP_GUARANTEE", "at-least-once"),
        consumer_extra_config={"fetch.wait.max.ms": 20, "session.timeout.ms": 6000},
        loglevel="WARNING",
        **more,
    )


def reads(app):
    """The dataframes of the topics to read."""
    return [app.dataframe(app.topic(name, key_deserializer="str", config=CONFIG)) for name in READS]


def writes(app):
    """The topics to write."""
    return [app.topic(name, key_serializer="str", config=CONFIG) for name in WRITES]


def told(name, *values, **more):
    """A new value that says which values it was made from."""
    causes = sorted({value["id"] for value in values})
    return {"id": f"{name}({','.join(causes)})", "from": causes, **more}


def run(app):
    """Until nothing more comes."""
    app.run(timeout=IDLE, collect=False)


__all__ = ["NAME", "application", "reads", "run", "told", "writes"]
