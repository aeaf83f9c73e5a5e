"""The compiled steps of ``_native.c`` where they can be used; everywhere else Python does the same, and is no less correct.

They are an extra: a package that was built without a compiler has none, and ``LINEAGE_NATIVE=0`` leaves them out, when the package
is built and when it runs. This is read as the agent is imported, before there are settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

VARIABLE, OFF = "LINEAGE_NATIVE", "0"


def _load() -> tuple[ModuleType | None, str]:
    """The extension, and what to say of it."""
    if os.environ.get(VARIABLE, "").strip() == OFF:
        return None, f"Python ({VARIABLE}={OFF})"
    try:
        from lineage.agent import _native
    except ImportError:
        return None, "Python (no compiled extension)"
    return _native, "compiled"


_module, _state = _load()


def _bound(kind: str, *args: Any) -> Any:
    global _state
    if _module is None:
        return None
    try:
        return getattr(_module, kind)(*args)
    except (AttributeError, TypeError) as error:
        # Another version's extension, or a class whose slots are not where it can find them.
        _state = f"Python in part (compiled code: {error})"
        return None


def encoder(
    span: type, template: type, names: tuple[bytes, ...], python: Callable[[Any], bytes]
) -> Callable[[Any], bytes]:
    """What encodes a span: compiled, with ``python`` for spans that are not plain, or that alone."""
    return _bound("encoder", span, template, names, python) or python


def receiver(span: type, topic: type, ours: tuple[str, str], others: tuple[str, ...]) -> Any:
    """What makes the span of a plain consumed message and answers None for any other, or None if that is Python's work.

    ``ours`` are the names of the headers that it reads, ``others`` of those that it leaves to Python.
    """
    return _bound("receiver", span, topic, ours, others)


def sender(span: type, event: type, topic: type, light: type, ours: tuple[str, str]) -> Any:
    """What makes the span of a plain send and answers None for any other, or None if that is Python's work."""
    return _bound("sender", span, event, topic, light, ours)


def state() -> str:
    """Which is in use, for people."""
    return _state
