"""The one place that may swallow an error: ours must never reach the application."""

from __future__ import annotations

import logging

_logger = logging.getLogger("lineage")
_swallowed = 0


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
