"""multiprocessing: its children end without ``atexit``, so what is open in them ends here."""

from __future__ import annotations

import functools
from typing import Any

from lineage.agent import ending
from lineage.agent.patching import Patch


def exit_function(original: Any) -> Any:
    """Runs in every child after its target. The exporter flushes later, among the finalizers that this calls."""

    @functools.wraps(original)
    def run(*args: Any, **kwargs: Any) -> Any:
        ending.end_open_spans()
        return original(*args, **kwargs)

    return run


PATCHES = (Patch("multiprocessing.util", "_exit_function", exit_function),)
