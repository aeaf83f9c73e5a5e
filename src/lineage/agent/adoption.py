"""Hand what a consumer gave from the thread that polled to the code that asked for it."""

from __future__ import annotations

from typing import Any

from lineage.agent.batch import Batch, Round, rewrapped
from lineage.agent.current import ProcessSpan, hide
from lineage.agent.guard import guarded
from lineage.agent.recorder import active
from lineage.model import semconv


def adopt(consumer: object, result: Any) -> Any:
    """Make ``result`` (a message, a list of them, or None) what is being handled here; returns what to give to the application.

    A library that copied a batch into a list of its own gets that list back as a batch. Never raises.
    """
    recorder = active()
    client = recorder.clients.get(id(consumer)) if recorder is not None else None
    if client is None:
        return result
    return _adopt(client.open, result) or result


@guarded
def _adopt(handled: Any, result: Any) -> Batch | None:
    """The list to give instead of ``result``, if it is to be another one."""
    # Somebody else may have asked the same consumer meanwhile: then something else is open, and this is not ours to tell.
    # Not `if not result`: a message without a value is falsy.
    if handled is None or result is None or result == []:
        hide()
    elif isinstance(result, list):
        return _adopt_list(handled, result)
    elif isinstance(handled, ProcessSpan) and _is_of(handled, result):
        handled.enter()
    else:
        hide()
    return None


def _adopt_list(handled: Any, result: list[Any]) -> Batch | None:
    if not (isinstance(handled, Round) and handled.has(list.__iter__(result))):
        hide()
    elif not isinstance(result, Batch):
        return rewrapped(result, handled)
    else:
        handled.enter()
    return None


def _is_of(span: ProcessSpan, message: Any) -> bool:
    topic = span.template.attributes[semconv.DESTINATION]
    return (topic, span.partition, span.offset) == (message.topic(), message.partition(), message.offset())
