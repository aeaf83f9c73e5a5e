"""Sinks: what they were given is written when a checkpoint is committed, in one span that links to the messages.

The last message is its parent, as with everything that several messages cause.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from lineage.agent.current import HANDLING, SPAN, Handling, ProcessSpan, var
from lineage.agent.guard import guarded
from lineage.agent.patches.quixstreams.kept import event_here
from lineage.agent.patching import Patch
from lineage.agent.recorder import switch
from lineage.agent.spans import Template
from lineage.agent.steps import StepSpan
from lineage.model import semconv
from lineage.model.contributors import Contributors

_CALLBACK = "StreamingDataFrame.sink.<locals>._sink_callback"


class _Given:
    """What a sink was given since its last flush."""

    def __init__(self) -> None:
        self.contributors = Contributors()
        self.last: ProcessSpan | None = None


_given: defaultdict[int, _Given] = defaultdict(_Given)


def adding(function: Any) -> Any:
    """The function to compose instead of a sink's, or None for any other."""
    if getattr(function, "__qualname__", "") != _CALLBACK:
        return None
    sink = dict(zip(function.__code__.co_freevars, function.__closure__, strict=True))["sink"].cell_contents

    def add(*args: Any) -> Any:
        result = function(*args)
        if switch.recorder is not None:
            _note(sink)
        return result

    return add


@guarded
def _note(sink: Any) -> None:
    recorder, event = switch.recorder, event_here()
    writer = recorder.states.writer() if recorder is not None else None
    if writer is not None and event is not None:
        given, ids = _given[id(sink)], event.trace_id + event.span_id
        given.contributors = given.contributors.plus(ids, writer.topic, writer.partition, writer.offset)
        given.last = event


def listing(original: Any) -> Any:
    """``SinkManager.sinks``, as a checkpoint goes through them: each flushes within a span."""

    def sinks(self: Any) -> Any:
        found = original.fget(self)
        return found if switch.recorder is None else [_Flushing(sink) for sink in found]

    return property(sinks)


class _Flushing:
    """A sink as the checkpoint sees it."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    def __repr__(self) -> str:
        return repr(self._sink)

    def flush(self) -> Any:
        recorder = switch.recorder
        outer = var.get()
        span = _begin(self._sink)
        if recorder is None or span is None:
            return self._sink.flush()
        try:
            result = self._sink.flush()
        except BaseException as error:
            recorder.steps.leave(span, error)
            raise
        finally:
            var.set(outer)
        recorder.steps.leave(span)
        return result


@guarded
def _begin(sink: Any) -> StepSpan | None:
    recorder, given = switch.recorder, _given.pop(id(sink), None)
    if recorder is None or given is None or given.last is None:
        return None
    base = var.get()
    var.set(Context({**base, SPAN: given.last, HANDLING: Handling(base, given.last)}))
    template = Template(f"flush {type(sink).__name__}", SpanKind.INTERNAL, {semconv.STEP: "sink"})
    span = recorder.steps.enter(template, given.contributors)
    if span is None:
        var.set(base)
    return span


PATCHES = (Patch("quixstreams.sinks.base.manager", "SinkManager.sinks", listing),)
