"""Hand what a consumer gave from the thread that polled to the code that asked for it."""

from __future__ import annotations

from typing import Any

from lineage.agent.batch import Batch, Round, rewrapped
from lineage.agent.current import hide
from lineage.agent.guard import swallow
from lineage.agent.recorder import active


def adopt(consumer: object, result: Any) -> Any:
    """Make ``result`` (a message, a list of them, or None) what is being handled here; returns what to give to the application.

    A library that copied a batch into a list of its own gets that list back as a batch. Never raises.
    """
    recorder = active()
    client = recorder.clients.get(id(consumer)) if recorder is not None else None
    if client is None:
        return result
    try:
        return _adopt(client.open, result)
    except Exception as error:
        swallow(error)
        return result


def _adopt(handled: Any, result: Any) -> Any:
    if result is None or handled is None or result == []:
        hide()
        return result
    if isinstance(handled, Round) and type(result) is list:
        return rewrapped(result, handled)
    if isinstance(handled, Round) == isinstance(result, Batch):
        handled.enter()
    return result
