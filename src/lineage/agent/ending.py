"""The end of the process: what is open ends first, then everything goes out."""

from __future__ import annotations

import atexit
from functools import partial
from typing import Any

from lineage.agent import instances, recorder, signals
from lineage.agent.guard import swallow


def watch(exporter: Any) -> None:
    """Take part in this process's end. Call it after the exporter was made: what is registered last runs first."""
    atexit.unregister(end_open_spans)
    atexit.register(end_open_spans)
    if exporter is not None:
        # Not before there is a client: a thread, however idle, makes CPython 3.12 and later warn of every fork.
        instances.on_client(partial(signals.install, partial(_flush, exporter)))


def forget() -> None:
    """Take no part any more."""
    instances.on_client(None)
    atexit.unregister(end_open_spans)
    signals.uninstall()


def end_open_spans() -> None:
    """End every open span: nothing will be handled or reported any more."""
    active = recorder.active()
    if active is not None:
        try:
            active.end_all()
        except Exception as error:  # noqa: BLE001 - the process must end as without us
            swallow(error)


def _flush(exporter: Any, seconds: float) -> None:
    end_open_spans()
    exporter.flush(seconds, leaving=True)
