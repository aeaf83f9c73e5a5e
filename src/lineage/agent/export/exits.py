"""Forks and exits: spans go out before the process ends, and a child does not send its parent's.

At the end of the main process `atexit` is right: threads are joined by then, thread pools too, handlers of the application
registered later run earlier, and daemon threads still work. Children of multiprocessing end with `os._exit` instead.
"""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lineage.agent.export.exporter import Exporter

_exporters: weakref.WeakSet[Exporter] = weakref.WeakSet()
_LAST = -1000


class AtExit:
    """Flushes one exporter at the end of this process and of its children, all together within the limit."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = weakref.ref(exporter)
        self._left = exporter.limits.exit
        self._watching = 0
        _exporters.add(exporter)
        atexit.register(self._end)

    def forget(self) -> None:
        """The exporter is shut down."""
        atexit.unregister(self._end)

    def restart(self) -> None:
        """A child has the whole limit for itself."""
        exporter = self._exporter()
        self._left = exporter.limits.exit if exporter else 0.0

    def flush(self) -> bool:
        """Flush within what is left of the limit on the time that an exit may take."""
        exporter = self._exporter()
        begin = monotonic()
        flushed = exporter is None or exporter.flush(max(self._left, 0))
        self._left -= monotonic() - begin
        return flushed

    def watch_children(self) -> None:
        """Take part in the exit of multiprocessing's children, once it is loaded."""
        util = sys.modules.get("multiprocessing.util")
        if util is not None and self._watching != os.getpid():
            self._watching = os.getpid()
            # A child clears the finalizers it inherited or made before it runs; what is registered as after-fork comes later.
            util.register_after_fork(self, AtExit._finalize)
            self._finalize()

    def _finalize(self) -> None:
        sys.modules["multiprocessing.util"].Finalize(None, self.flush, exitpriority=_LAST)

    def _end(self) -> None:
        exporter = self._exporter()
        if exporter is not None:
            exporter.shutdown(max(self._left, 0.0))


def _restart() -> None:
    for exporter in list(_exporters):
        exporter.restart_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart)
