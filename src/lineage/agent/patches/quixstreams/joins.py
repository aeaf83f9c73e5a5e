"""Joins: what becomes of a pair has both messages as its causes, the one that is being handled and the one it was matched with.

A pair is handled within a span ``join`` that links to whoever stored the other side.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.trace import SpanKind

from lineage.agent.guard import guarded
from lineage.agent.patches.quixstreams.kept import Kept, kept_of
from lineage.agent.patching import Patch
from lineage.agent.recorder import Recorder, switch
from lineage.agent.spans import Template
from lineage.agent.steps import StepSpan
from lineage.model import semconv
from lineage.model.contributors import Contributors
from lineage.model.writers import Writer

_TEMPLATE = Template("join", SpanKind.INTERNAL, {semconv.STEP: "join"})
_INTERVAL = ("IntervalJoin._prepare_join.<locals>.left_func", "IntervalJoin._prepare_join.<locals>.right_func")
_AS_OF = "AsOfJoin._prepare_join.<locals>.left_func"


class _Matches:
    """Who stored what the join function that runs now has found; one thread handles all messages."""

    def __init__(self) -> None:
        self.writers: list[Writer | None] = []


_matches = _Matches()


def joining(function: Any) -> Any:
    """The function to compose instead of one of a join's, or None for any other."""
    name = getattr(function, "__qualname__", "")
    if name == _AS_OF:
        return _single(function)
    return _pairs(function) if name in _INTERVAL else None


def _single(function: Any) -> Any:
    def single(*args: Any) -> Any:
        _matches.writers.clear()
        return function(*args)

    return single


def _pairs(function: Any) -> Any:
    def pairs(*args: Any) -> Any:
        _matches.writers.clear()
        results = function(*args)
        writers = _matches.writers.copy()
        if not writers or not isinstance(results, list) or len(results) != len(writers):
            return results
        return _each(results, writers)

    return pairs


def _each(results: list[Any], writers: list[Writer | None]) -> Iterator[Any]:
    for result, writer in zip(results, writers, strict=True):
        # The library handles it between the yield and what follows.
        with _paired(writer):
            yield result


@contextmanager
def _paired(writer: Writer | None) -> Iterator[None]:
    recorder = switch.recorder
    span = _begin(recorder, writer) if recorder is not None and writer is not None else None
    try:
        yield
    finally:
        if recorder is not None and span is not None:
            recorder.steps.leave(span)


@guarded
def _begin(recorder: Recorder, writer: Writer) -> StepSpan | None:
    ids = writer.trace_id + writer.span_id
    other = Contributors().plus(ids, writer.topic, writer.partition, writer.offset)
    return recorder.steps.enter(_TEMPLATE, other)


def handing_on(function: Any, executors: tuple[Any, ...]) -> tuple[Any, ...]:
    """The functions that come after an as-of join's, each within the span of the pair."""
    if getattr(function, "__qualname__", "") != _AS_OF:
        return executors
    return tuple(map(_following, executors))


def _following(executor: Any) -> Any:
    def follow(*args: Any) -> Any:
        found = _matches.writers
        with _paired(found[0] if found else None):
            return executor(*args)

    return follow


def matching(original: Any) -> Any:
    """``get_interval`` and ``get_latest``: the other side's messages that match."""

    def get(self: Any, *args: Any, **kwargs: Any) -> Any:
        values = original(self, *args, **kwargs)
        kept = kept_of(self)
        if kept is not None:
            _matches.writers[:] = guarded(_stored)(kept) or ()
        return values

    return get


def _stored(kept: Kept) -> list[Writer | None]:
    items, kept.items = kept.items, []
    return [kept.writer("default", key, value) for key, value in items]


PATCHES = (
    Patch("quixstreams.state.rocksdb.timestamped", "TimestampedPartitionTransaction.get_interval", matching),
    Patch("quixstreams.state.rocksdb.timestamped", "TimestampedPartitionTransaction.get_latest", matching),
)
