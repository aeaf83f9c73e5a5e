"""Steps: every function of the user's in a dataframe, wrapped while the dataframe is composed into one function per topic.

Not wrapped for good, as the library copies and pickles dataframes. Functions of the library itself are no steps, but two kinds of
them are known: joins and sinks.
"""

from __future__ import annotations

from typing import Any

from lineage.agent.guard import guarded
from lineage.agent.patches.quixstreams.joins import handing_on, joining
from lineage.agent.patches.quixstreams.sinks import adding
from lineage.agent.patching import Patch
from lineage.agent.recorder import switch
from lineage.agent.spans import Template
from lineage.agent.steps import step_template

_LIBRARY = "quixstreams"
_FUNCTIONS = (
    ("apply", "ApplyFunction"),
    ("apply", "ApplyWithMetadataFunction"),
    ("filter", "FilterFunction"),
    ("filter", "FilterWithMetadataFunction"),
    ("update", "UpdateFunction"),
    ("update", "UpdateWithMetadataFunction"),
    ("transform", "TransformFunction"),
)


def composing(kind: str) -> Any:
    """``get_executor`` of a stream's function."""

    def wrap(original: Any) -> Any:
        def get_executor(self: Any, *child_executors: Any) -> Any:
            function = self.func
            wrapped = _wrapped(function, kind) if switch.recorder is not None else None
            if wrapped is None:
                return original(self, *child_executors)
            self.func = wrapped
            try:
                return original(self, *handing_on(function, child_executors))
            finally:
                self.func = function

        return get_executor

    return wrap


@guarded
def _wrapped(function: Any, kind: str) -> Any:
    """The function to compose instead, or None."""
    module = str(getattr(function, "__module__", ""))
    if module.partition(".")[0] == _LIBRARY:
        return joining(function) or adding(function)
    return _step(function, step_template(function, kind))


def _step(function: Any, template: Template) -> Any:
    def step(*args: Any) -> Any:
        recorder = switch.recorder
        span = recorder.steps.enter(template) if recorder is not None else None
        if recorder is None or span is None:
            return function(*args)
        try:
            result = function(*args)
        except BaseException as error:
            recorder.steps.leave(span, error)
            raise
        if hasattr(result, "__next__"):
            # An expansion that is made on demand: the span is over when it is.
            recorder.steps.pause(span)
            return recorder.steps.iterate(span, result)
        recorder.steps.leave(span)
        return result

    return step


PATCHES = tuple(
    Patch(f"quixstreams.core.stream.functions.{module}", f"{name}.get_executor", composing(module))
    for module, name in _FUNCTIONS
)
