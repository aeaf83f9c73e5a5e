"""What caused the code that runs now.

OpenTelemetry's context carries two things of ours: the current span, which everybody sees, and under ``HANDLING`` what is being
handled. That is a ``ProcessSpan`` (one message) or a ``Handling`` (a batch as a whole, several messages, a delivery report).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextvars import ContextVar
from threading import get_ident
from time import time_ns
from typing import Any, cast

from opentelemetry import context as otel_context
from opentelemetry.baggage import _BAGGAGE_KEY as BAGGAGE_KEY
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as SUPPRESSED
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.trace.propagation import _SPAN_KEY as SPAN

from lineage.agent.imports import when_imported
from lineage.agent.spans import LightSpan

__all__ = [
    "BAGGAGE_KEY",
    "HANDLING",
    "SPAN",
    "SUPPRESSED",
    "Handling",
    "ProcessSpan",
    "here",
    "hide",
    "is_stale",
    "var",
]

HANDLING = otel_context.create_key("lineage-handling")


class _AnyRuntimeContext:
    """The three methods of a ContextVar, for a runtime context that is not made of one."""

    def get(self) -> Context:
        return otel_context.get_current()

    def set(self, context: Context) -> Any:
        return otel_context.attach(context)

    def reset(self, token: Any) -> None:
        otel_context.detach(token)


def _context_var() -> ContextVar[Context]:
    runtime = otel_context._RUNTIME_CONTEXT
    if isinstance(runtime, ContextVarsRuntimeContext):
        # The variable itself: attach() and detach() cost four times as much.
        return runtime._current_context
    return cast("ContextVar[Context]", _AnyRuntimeContext())


var = _context_var()


class ProcessSpan(LightSpan):
    """The handling of one consumed message.

    ``base`` is the context outside of it, ``home`` where it was made current; ``entry`` and ``hops`` are what ``lineage-context``
    said, ``baggage`` what came with it, ``marker`` the header that names its send, ``propagated`` the headers that sends hand on.
    The message itself is not here: spans wait in the exporter's queue, and messages may be large.
    """

    __slots__ = ("baggage", "base", "closed", "entry", "home", "hops", "marker", "propagated")

    base: Context
    baggage: Any
    closed: bool
    entry: bytes
    home: int
    hops: int
    marker: bytes | None
    propagated: tuple[tuple[str, Any], ...]

    def end(self, end_time: int | None = None) -> None:
        """Nothing: the handling of a message ends when its consumer is asked for the next one."""

    def inside(self) -> Context:
        """The context to handle this message in."""
        items: dict[str, Any] = {SPAN: self, HANDLING: self}
        if self.base:
            items = {**self.base, **items}
        if self.baggage is not None:
            items[BAGGAGE_KEY] = self.baggage
        return Context(items)

    def enter(self) -> None:
        """Make this message the current one, here."""
        self.end_time = 0
        self.home = here()
        var.set(self.inside())

    def leave(self) -> None:
        """The code has moved on; the span goes out when it is closed."""
        if not self.end_time and not self.closed:
            self.stop()

    def close(self) -> None:
        """End the span for good, once."""
        if not self.closed:
            self.closed = True
            if not self.end_time:
                self.stop()
            self.finish(self)

    def disown(self) -> None:
        """In a forked child: the span is the parent process's to end, here it only is a captured context."""
        self.leave()
        self.closed = True
        self.home = 0


class Handling:
    """What is handled if it is not one message: sends become children of ``parent`` and link to ``others`` in this ``role``."""

    __slots__ = ("base", "end_time", "home", "others", "parent", "role")

    def __init__(self, base: Context, parent: Any, others: tuple[LightSpan, ...] = (), role: str | None = None) -> None:
        self.base = base
        self.parent = parent
        self.others = others
        self.role = role
        self.end_time = 0
        self.home = here()

    def expire(self) -> None:
        """It is over; threads and tasks started in it go on for a while."""
        self.end_time = time_ns()

    def disown(self) -> None:
        """It counts for a while from now on, as in a thread that was started in it, and wherever it is found."""
        self.expire()
        self.home = 0


def _nothing(_: Any = None) -> Any:
    return None


_running_loop: Callable[[], Any] = _nothing
_current_task: Callable[[Any], Any] = _nothing


def _use(asyncio: Any) -> None:
    global _running_loop, _current_task
    _running_loop, _current_task = asyncio._get_running_loop, asyncio.current_task


# Who does not use asyncio need not wait until it is imported.
if "asyncio" in sys.modules:
    _use(importlib.import_module("asyncio"))
else:
    when_imported("asyncio", _use)


def here() -> int:
    """Where this code runs: its asyncio task, or else its thread."""
    loop = _running_loop()
    task = _current_task(loop) if loop is not None else None
    return id(task) if task is not None else get_ident()


def is_stale(handling: ProcessSpan | Handling, limit_ns: int) -> bool:
    """Whether an ended handling is no evidence any more.

    Where it was current, something put it back by accident (a span opened before the poll and closed after it). Elsewhere it
    was captured by a thread or task, which may work on for a while, but not for ever: a flush loop is no handler.
    """
    return handling.home == here() or time_ns() - handling.end_time > limit_ns


def hide() -> Context:
    """Leave whatever is being handled, here; returns the context outside of it."""
    context = var.get()
    handling = context.get(HANDLING)
    if handling is None:
        return context
    base: Context = handling.base  # type: ignore[attr-defined]  # a Context holds objects of any kind
    var.set(base)
    return base
