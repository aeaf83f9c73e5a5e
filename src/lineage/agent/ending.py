"""The end of the process: what is open ends first, then everything goes out."""

from __future__ import annotations

import atexit
from typing import Any

from lineage.agent import recorder
from lineage.agent.guard import swallow


def watch(exporter: Any) -> None:
    """Take part in this process's end. Call it after the exporter was made: what is registered last runs first."""
    atexit.unregister(end_open_spans)
    atexit.register(end_open_spans)
    if exporter is not None:
        from lineage.agent import signals

        signals.install(lambda seconds: _flush(exporter, seconds))


def forget() -> None:
    """Take no part any more."""
    from lineage.agent import signals

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
    exporter.flush(seconds)
