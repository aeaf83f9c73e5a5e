"""SIGTERM: flush, then die of it, also while the main thread sits in C and no Python handler would run.

Without us SIGTERM kills at once. A Python handler alone would not: it runs when the main thread returns to Python, and
confluent-kafka 2.12 does not return from `poll(30)`. So a daemon thread reads the wakeup file descriptor, to which the
interpreter's C handler writes the signal's number at once, and does the work while the main thread waits.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from types import FrameType

_LONGEST = 0.7
"""Seconds for the flush, so that SIGTERM kills within one."""

Flush = Callable[[float], object]


class _Watch:
    """The handler, the pipe and its reader of one process."""

    def __init__(self, flush: Flush) -> None:
        self._flush = flush
        self._once = threading.Lock()
        self._pipe: tuple[int, int] | None = None

    def start(self) -> None:
        """Take the disposition; the wakeup descriptor only if nobody has it."""
        signal.signal(signal.SIGTERM, self.handle)
        self._open_pipe()

    def _open_pipe(self) -> None:
        if not hasattr(os, "set_blocking"):
            return
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        if before != -1:
            # The application's: it stays, and so does its way of handling signals while in C.
            signal.set_wakeup_fd(before)
            os.close(reader)
            os.close(writer)
            return
        self._pipe = reader, writer
        threading.Thread(target=self._read, args=(reader,), name="lineage-signals", daemon=True).start()

    def _read(self, reader: int) -> None:
        # Other signals' bytes are only news here: their handlers run as ever, in the main thread.
        while numbers := os.read(reader, 64):
            if signal.SIGTERM in numbers and self.is_installed():
                self._die(_default_in_c)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The Python handler, for a main thread that is in Python, and for processes whose wakeup descriptor is taken."""
        self._die(_default_in_python)

    def is_installed(self) -> bool:
        """Whether SIGTERM is still ours: the application may have set its own handler since."""
        return signal.getsignal(signal.SIGTERM) == self.handle

    def _die(self, restore: Callable[[], None]) -> None:
        if not self._once.acquire(blocking=False):
            # The other thread is at it; this one goes on until it is killed.
            return
        # In a thread of its own: this one may have interrupted somebody who holds a lock that the flush needs.
        flushing = threading.Thread(target=self._flush, args=(_LONGEST,), name="lineage-sigterm", daemon=True)
        with suppress(RuntimeError):
            flushing.start()
            flushing.join(_LONGEST)
        restore()
        os.kill(os.getpid(), signal.SIGTERM)

    def restart(self) -> None:
        """In a forked child: its own pipe, as bytes in the parent's would kill the parent."""
        inherited, self._pipe = self._pipe, None
        self._once = threading.Lock()
        if inherited is None:
            return
        current = signal.set_wakeup_fd(-1)
        for descriptor in inherited:
            os.close(descriptor)
        if current not in (-1, inherited[1]):
            signal.set_wakeup_fd(current)
        elif current == inherited[1]:
            self._open_pipe()

    def stop(self) -> None:
        """Put everything back, unless the application took it over since."""
        if self.is_installed():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            current = signal.set_wakeup_fd(-1)
            if current not in (-1, pipe[1]):
                signal.set_wakeup_fd(current)
            # The reader gets the end of the pipe, and closes nothing itself.
            os.close(pipe[1])


_watch: _Watch | None = None


def install(flush: Flush) -> None:
    """Have `flush(seconds)` called before SIGTERM kills this process or a forked child.

    Does nothing outside the main thread, or where SIGTERM has a handler already or is ignored.
    """
    global _watch  # noqa: PLW0603 - a process has one SIGTERM
    if _watch is None and _is_ours_to_take():
        _watch = _Watch(flush)
        _watch.start()


def uninstall() -> None:
    """Undo `install`, from the main thread; what the application has set since stays."""
    global _watch  # noqa: PLW0603 - see install
    if _watch is not None:
        _watch.stop()
        _watch = None


def _is_ours_to_take() -> bool:
    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
        return False
    return signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def _default_in_python() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _default_in_c() -> None:
    # Only the main thread may call signal.signal, and it sits in C.
    import ctypes

    libc = ctypes.CDLL(None)
    libc.signal.restype = ctypes.c_void_p
    libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    libc.signal(int(signal.SIGTERM), None)


def _restart_in_child() -> None:
    if _watch is not None:
        _watch.restart()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_in_child)
