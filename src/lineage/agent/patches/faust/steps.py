"""Steps: the application's own processors and filters. Those that the library adds to a stream by itself are none."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from lineage.agent.guard import guarded
from lineage.agent.patching import Patch
from lineage.agent.recorder import Recorder, switch
from lineage.agent.spans import Template
from lineage.agent.steps import StepSpan, step_template


def filtering(original: Any) -> Any:
    """``Stream.filter``."""

    @functools.wraps(original)
    def filter(self: Any, fun: Any) -> Any:  # noqa: A001  # the library's name for it
        return original(self, _stepped(fun, "filter") or fun)

    return filter


def processing(original: Any) -> Any:
    """``Stream.add_processor``."""

    @functools.wraps(original)
    def add_processor(self: Any, processor: Any) -> Any:
        own = (getattr(processor, "__module__", None) or "").partition(".")[0] in ("faust", "mode")
        return original(self, processor if own else _stepped(processor, "processor") or processor)

    return add_processor


@guarded
def _stepped(function: Any, kind: str) -> Callable[[Any], Any] | None:
    return functools.wraps(function)(functools.partial(_step, function, step_template(function, kind)))


def _step(function: Any, template: Template, value: Any) -> Any:
    recorder = switch.recorder
    span = recorder.steps.enter(template) if recorder is not None else None
    if recorder is None or span is None:
        return function(value)
    try:
        result = function(value)
    except BaseException as error:
        _leave(recorder, span, error)
        raise
    if inspect.isawaitable(result):
        recorder.steps.pause(span)
        return _awaited(recorder, span, result)
    recorder.steps.leave(span)
    return result


async def _awaited(recorder: Recorder, span: StepSpan, result: Awaitable[Any]) -> Any:
    recorder.steps.resume(span)
    try:
        value = await result
    except BaseException as error:
        _leave(recorder, span, error)
        raise
    recorder.steps.leave(span)
    return value


def _leave(recorder: Recorder, span: StepSpan, error: BaseException) -> None:
    # This is how a processor says that it does not want the event.
    skipped = type(error).__module__ == "faust.exceptions" and type(error).__name__ == "Skip"
    recorder.steps.leave(span, None if skipped else error)


STEP_PATCHES = (
    Patch("faust.streams", "Stream.filter", filtering),
    Patch("faust.streams", "Stream.add_processor", processing),
)
