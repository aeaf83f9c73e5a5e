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
from types import FrameType

_LONGEST = 0.7
"""Seconds for the flush, so that SIGTERM kills within one."""

Flush = Callable[[float], object]


class _Watch:
    """The handler, the pipe and its reader of one process."""

    def __init__(self, flush: Flush) -> None:
        self._flush = flush
        self._once = threading.Lock()
        self._killed = threading.Event()
        self._masks = threading.local()
        self._pipe: tuple[int, int] | None = None

    def start(self) -> bool:
        """Take the disposition and the wakeup descriptor, both or none."""
        if not self._open_pipe():
            return False
        signal.signal(signal.SIGTERM, self.handle)
        return True

    def _open_pipe(self) -> bool:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        if before != -1:
            # The application's. Without one of our own SIGTERM would have to wait for the main thread.
            signal.set_wakeup_fd(before)
            os.close(reader)
            os.close(writer)
            return False
        self._pipe = reader, writer
        threading.Thread(target=self._read, args=(reader,), name="lineage-signals", daemon=True).start()
        return True

    def _read(self, reader: int) -> None:
        # Other signals' bytes are only news here: their handlers run as ever, in the main thread.
        while numbers := os.read(reader, 64):
            if signal.SIGTERM in numbers and self.is_installed():
                self._die(_default_in_c)
        os.close(reader)

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """The Python handler, for a main thread that is in Python."""
        # A handler of the application that calls the one before it would not have called SIG_DFL.
        if self.is_installed():
            self._die(_default_in_python)
            # The other thread was first: nothing more of the application should run.
            self._killed.wait(_LONGEST)

    def is_installed(self) -> bool:
        """Whether SIGTERM is still ours: the application may have set its own handler since."""
        return signal.getsignal(signal.SIGTERM) == self.handle

    def _die(self, restore: Callable[[], None]) -> None:
        if not self._once.acquire(blocking=False):
            return
        # In a thread of its own: this one may have interrupted somebody who holds a lock that the flush needs.
        flushing = threading.Thread(target=self._flush, args=(_LONGEST,), name="lineage-sigterm", daemon=True)
        with suppress(RuntimeError):
            flushing.start()
            flushing.join(_LONGEST)
        restore()
        os.kill(os.getpid(), signal.SIGTERM)
        # Still here: the first process of a container ignores what it does not handle.
        self._killed.set()

    def block(self) -> None:
        """Before a fork: in its first moments a child would write to its parent's pipe, then forget the signal."""
        self._masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))

    def unblock(self) -> None:
        """After a fork, in the parent; what came meanwhile comes now."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.before)

    def restart(self) -> None:
        """After a fork, in the child: a pipe and a thread of its own."""
        inherited, self._pipe = self._pipe, None
        self._once, self._killed = threading.Lock(), threading.Event()
        if inherited is not None:
            ours = self._give_up_descriptor(inherited[1])
            for descriptor in inherited:
                os.close(descriptor)
            if ours:
                self._open_pipe()
        self.unblock()

    def _give_up_descriptor(self, ours: int) -> bool:
        current = signal.set_wakeup_fd(-1)
        if current not in (-1, ours):
            signal.set_wakeup_fd(current)
        return current == ours

    def stop(self) -> None:
        """Put everything back, unless the application took it over since."""
        if self.is_installed():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            self._give_up_descriptor(pipe[1])
            # The reader gets the end of the pipe and closes its side.
            os.close(pipe[1])


_watch: _Watch | None = None


def install(flush: Flush) -> None:
    """Have `flush(seconds)` called before SIGTERM kills this process or a forked child.

    Does nothing outside the main thread, or where SIGTERM has a handler already or is ignored, or the wakeup descriptor
    is in use.
    """
    global _watch
    if _watch is None and _is_ours_to_take():
        watch = _Watch(flush)
        if watch.start():
            _watch = watch


def uninstall() -> None:
    """Undo `install`, from the main thread; what the application has set since stays."""
    global _watch
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


def _told(what: Callable[[_Watch], None]) -> Callable[[], None]:
    return lambda: what(_watch) if _watch is not None else None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_told(_Watch.block), after_in_parent=_told(_Watch.unblock), after_in_child=_told(_Watch.restart)
    )
