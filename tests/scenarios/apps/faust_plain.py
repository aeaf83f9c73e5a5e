"""What the Faust applications here share: an app on the test's broker, run until its events were handled. No tracing code."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import faust
from plain import COUNT, DEADLINE, GROUP, NAME, PARTITIONS, shown

UNTIL = os.environ.get("APP_UNTIL")
"""A file that ends the day of an app that does not know how many events it will get."""

IDLE = float(os.environ.get("APP_IDLE", "60"))
"""Seconds without an event that end the day as well: after a restart the library may deliver one twice, or none."""

left = COUNT
latest = time.monotonic()


def faust_app(**settings):
    """An app whose topics and tables have as many partitions as the test's own."""
    return faust.App(
        GROUP,
        broker=f"kafka://{os.environ['APP_BOOTSTRAP']}",
        datadir=os.environ.get("APP_DATADIR"),
        store=os.environ.get("APP_STORE", "memory://"),
        topic_partitions=len(PARTITIONS),
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=0.2,
        broker_rebalance_timeout=2,
        broker_session_timeout=6,
        broker_heartbeat_interval=1,
        stream_recovery_delay=0,
        web_enabled=False,
        **settings,
    )


def raw_topic(app, name):
    """A topic of bytes."""
    return app.topic(name, key_type=bytes, value_type=bytes, value_serializer="raw")


def saw(event, again=False, **more):
    """Print an event as the application sees it, and what it read; one that is seen again does not count."""
    global left, latest
    left, latest = left - (not again), time.monotonic()
    message = event.message
    document = {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "key": shown(message.key),
        "value": shown(message.value),
        "headers": shown(message.headers),
    }
    print(json.dumps({**document, "again": again, **more}), flush=True)


def ended():
    """Whether the day is over."""
    if UNTIL:
        return Path(UNTIL).exists()
    return left <= 0 or (left < COUNT and time.monotonic() > latest + IDLE)


def run(app):
    """Start the app, and stop it when every event was handled."""
    asyncio.run(_day(app))


async def _day(app):
    app.finalize()
    await app.start()
    while not ended():
        if time.monotonic() > DEADLINE:
            sys.exit(f"{NAME}: {left} messages never came")
        await asyncio.sleep(0.02)
    # An event was printed before its handling is over, and committed some time later.
    await asyncio.sleep(0.5)
    await app.stop()
