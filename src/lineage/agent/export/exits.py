"""Forks and exits: spans go out before the process ends, and a child does not send its parent's.

At the end of the main process `atexit` is right: threads are joined by then, thread pools too, what the application
registered later runs earlier, and daemon threads still work. Children of multiprocessing end with `os._exit` instead.
"""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from contextlib import AbstractContextManager
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lineage.agent.export.exporter import Exporter

_exporters: weakref.WeakSet[Exporter] = weakref.WeakSet()
_LAST = -1000
_forking = RLock()


class AtExit:
    """Flushes one exporter at the end of this process and of its children, all together within the limit."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = weakref.ref(exporter)
        self._left = exporter.limits.exit
        self._watching = 0
        _exporters.add(exporter)
        atexit.register(self._end)

    def come_first(self) -> None:
        """Run before whatever was registered meanwhile: what is registered last runs first."""
        atexit.unregister(self._end)
        atexit.register(self._end)

    def forget(self) -> None:
        """The exporter is shut down."""
        atexit.unregister(self._end)

    def restart(self) -> None:
        """A child has the whole limit for itself."""
        exporter = self._exporter()
        self._left = exporter.limits.exit if exporter else 0.0

    @property
    def spent(self) -> float:
        """How long this exit has waited so far (seconds)."""
        exporter = self._exporter()
        return exporter.limits.exit - self._left if exporter else 0.0

    def flush(self) -> bool:
        """Flush within what is left of the limit on the time that an exit may take."""
        exporter = self._exporter()
        begin = monotonic()
        flushed = exporter is None or exporter.flush(max(self._left, 0), leaving=True)
        self._left -= monotonic() - begin
        return flushed

    def watch_children(self) -> None:
        """Take part in the exit of multiprocessing's children, once it is loaded."""
        util = sys.modules.get("multiprocessing.util")
        if util is not None and self._watching != os.getpid():
            self._watching = os.getpid()
            # A child clears the finalizers it has, then calls what is registered as after-fork.
            util.register_after_fork(self, AtExit._finalize)
            self._finalize()

    def _finalize(self) -> None:
        sys.modules["multiprocessing.util"].Finalize(None, self.flush, exitpriority=_LAST)

    def _end(self) -> None:
        exporter = self._exporter()
        if exporter is not None:
            exporter.shutdown(max(self._left, 0.0))


def no_fork() -> AbstractContextManager[object]:
    """Forks wait for the end of this block, whichever thread it runs in."""
    return _forking


def _hold() -> None:
    _forking.acquire()


def _let_go() -> None:
    _forking.release()


def _restart() -> None:
    global _forking
    _forking = RLock()
    for exporter in list(_exporters):
        exporter.restart_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_restart)
