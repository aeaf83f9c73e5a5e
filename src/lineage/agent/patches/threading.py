"""Threads and thread pools: what is current where work is handed over is current where it is done.

As OpenTelemetry's instrumentation of threads does; it may be on as well. Its name switches this one off, too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context, attach, detach, get_current

from lineage.agent.patching import Patch

_CONTEXT = "_lineage_context"


def start(original: Any) -> Any:
    """``Thread.start``."""

    @functools.wraps(original)
    def start(self: Any, *args: Any, **kwargs: Any) -> Any:
        setattr(self, _CONTEXT, get_current())
        return original(self, *args, **kwargs)

    return start


def run(original: Any) -> Any:
    """``Thread.run`` and ``Timer.run``."""

    @functools.wraps(original)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        context = getattr(self, _CONTEXT, None)
        if context is None:  # called by hand, or the thread is older than the agent
            return original(self, *args, **kwargs)
        return _within(context, original)(self, *args, **kwargs)

    return run


def submit(original: Any) -> Any:
    """``ThreadPoolExecutor.submit``."""

    @functools.wraps(original)
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        # An empty context, too: the pool's thread has that of whoever made it start.
        return original(self, _within(get_current(), fn), *args, **kwargs)

    return submit


def _within(context: Context, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        token = attach(context)
        try:
            return function(*args, **kwargs)
        finally:
            detach(token)

    return call


PATCHES = (
    Patch("threading", "Thread.start", start),
    Patch("threading", "Thread.run", run),
    Patch("threading", "Timer.run", run),
    Patch("concurrent.futures.thread", "ThreadPoolExecutor.submit", submit, instrumentation="threading"),
)
