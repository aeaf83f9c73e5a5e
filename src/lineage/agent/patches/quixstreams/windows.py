"""Windows: what becomes of a result has all messages as its causes that the window is made of.

Each window's value has its contributors beside it. A result that goes on is handled within a span ``window NAME`` that links to
them, below the message that triggered it. Of counting windows, and of sliding ones that collect values, only the state is traced:
which messages are in them cannot be seen from outside.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from opentelemetry.trace import SpanKind

from lineage.agent.guard import guarded
from lineage.agent.patches.quixstreams.kept import Kept, kept_of
from lineage.agent.patches.quixstreams.sliding import walk
from lineage.agent.patches.quixstreams.state import window_key
from lineage.agent.patching import Patch
from lineage.agent.recorder import switch
from lineage.agent.spans import Template
from lineage.model import semconv
from lineage.model.contributors import Contributors

_FIXED, _SESSION = "FixedTimeWindow", "SessionWindow"
_SLIDING = "SlidingWindow"


def applying(original: Any) -> Any:
    """``Window._apply_window``, which takes the function that gives a window's results."""

    def _apply_window(self: Any, func: Any, name: str) -> Any:
        return original(self, guarded(_fanned)(self, func, name) or func, name)

    return _apply_window


def _fanned(window: Any, function: Any, name: str) -> Any:
    kinds = {each.__name__ for each in type(window).__mro__}
    sliding, merging = _SLIDING in kinds, _SESSION in kinds
    if not kinds & {_FIXED, _SESSION} or (sliding and window.collect):
        return None
    template = Template(f"window {name}", SpanKind.INTERNAL, {semconv.STEP: "window"})

    @functools.wraps(function)  # it stays a function of the library, and thus no step
    def fanned(value: Any, key: Any, timestamp: int, headers: Any, transaction: Any) -> Iterator[Any]:
        kept = kept_of(transaction)
        if kept is not None:
            kept.windowed, kept.merging = True, merging
            kept.deleted.clear()
            if sliding:
                walk.begin(kept)
                kept.derive = walk.derive
        for result in function(value, key, timestamp, headers, transaction):
            yield from _handed_on(template, kept, transaction, result)

    return fanned


def _handed_on(template: Template, kept: Kept | None, transaction: Any, result: Any) -> Iterator[Any]:
    """One result. The library handles it between the yield and what follows."""
    recorder = switch.recorder
    contributors = _contributors(kept, transaction, result) if kept is not None else None
    span = recorder.steps.enter(template, contributors) if recorder is not None and contributors is not None else None
    try:
        yield result
    finally:
        if recorder is not None and span is not None:
            recorder.steps.leave(span)


@guarded
def _contributors(kept: Kept, transaction: Any, result: Any) -> Contributors | None:
    window, key, _, _ = result
    prefix = transaction.as_state(prefix=key)._prefix
    return kept.contributors(window_key(transaction, window["start"], window["end"], prefix))


PATCHES = (Patch("quixstreams.dataframe.windows.base", "Window._apply_window", applying),)
