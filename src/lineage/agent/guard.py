"""The one place that may swallow an error: ours must never reach the application."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

_logger = logging.getLogger("lineage")
_swallowed = 0

_Function = TypeVar("_Function", bound=Callable[..., Any])


def guarded(function: _Function) -> _Function:
    """A function of ours that the application's calls lead through: where it fails, it returns None."""

    @functools.wraps(function)
    def safe(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is not the application's
            swallow(error)
            return None

    return safe  # type: ignore[return-value]  # the same, but that it may return None


def swallow(error: Exception) -> None:
    """Count an error of ours; the first is logged as a warning, every one with its traceback at debug level."""
    global _swallowed
    _swallowed += 1
    if _swallowed == 1:
        _logger.warning("lineage: internal error, a span may be missing or incomplete: %r", error)
    _logger.debug("swallowed", exc_info=error)


def swallowed() -> int:
    """How many errors were swallowed so far."""
    return _swallowed
