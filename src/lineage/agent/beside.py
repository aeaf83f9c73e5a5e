"""Stores that are not ours: who wrote a value is kept beside it, in a second mapping that knows the value by its content.

Nothing is added to the value or its store. What is kept holds a checksum of the content, so a value that was replaced, or
changed in place, by anyone whom we did not see has no writer. No lock is held and no order is relied on: a writer that lost a race,
or that a crash left behind, no longer fits its value.
"""

from __future__ import annotations

import marshal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from time import time_ns
from typing import Any

from lineage.agent.current import HANDLING, var
from lineage.agent.guard import guarded
from lineage.agent.links import ENDS, ends
from lineage.agent.recorder import Recorder, switch
from lineage.agent.statestore import Store
from lineage.model import semconv
from lineage.model.writers import Writer, pack, unpack

LARGE = 4096
"""Bytes of an object that is not serialized anyway: to look through a larger one at each access would cost more than the span."""

_FEW = 1024
_CONTAINERS = (dict, list, set, tuple, frozenset)
_UNKNOWN = b""

traced: dict[int, Beside] = {}
"""The objects whose class a patch traces, by id: those of C types, that can hold no attribute."""


def content(value: Any) -> bytes | None:
    """Bytes that are the same for the same value, today and after a restart; None if there are none."""
    if value.__class__ is bytes:
        return value
    try:
        # Version 2 writes the same for equal values; later ones depend on who else holds them.
        return marshal.dumps(value, 2)
    except ValueError:
        pass
    try:
        import pickle  # slow to load, and hardly any value needs it

        return pickle.dumps(value, 4)
    except Exception:  # noqa: BLE001 - the object's own code may raise anything; then we do not know it
        return None


class Memory(dict[Any, bytes]):
    """Writers for a process's life, of a few times as many keys as are ``alive`` at most: stores drop keys by themselves, too."""

    def __init__(self, alive: Callable[[Any], bool]) -> None:
        self._alive = alive
        self._most = _FEW
        self._unseen: list[Any] = []

    def __setitem__(self, key: Any, packed: bytes) -> None:
        super().__setitem__(key, packed)
        if self._unseen or len(self) >= self._most:
            self._tidy()

    def _tidy(self) -> None:
        """A few keys at a time, so that nobody waits for all of them."""
        unseen = self._unseen = self._unseen or list(self)
        for key in unseen[-4:]:
            if not self._alive(key):
                self.pop(key, None)
        del unseen[-4:]
        if not unseen:
            self._most = max(_FEW, 2 * len(self))


class Beside:
    """One store and its ``writers``: any mapping with ``get``, ``[]=`` and ``del``. None of its methods raises.

    ``limit`` bounds the bytes of objects that are looked through; None where the store itself serializes them.
    """

    __slots__ = ("_known", "_limit", "_name", "_namespace", "_system", "kind", "writers")

    def __init__(
        self, name: str, system: str, writers: Any, *, namespace: str | None = None, limit: int | None = None
    ) -> None:
        self._name = name
        self._system = system
        self._namespace = namespace
        self._limit = limit
        self._known: Any = (None, None)
        self.writers = writers
        self.kind: type | None = None

    @guarded
    def got(self, key: Any, began: int, found: bool, value: Any = None) -> None:
        """A value was read, or was not there."""
        recorder = switch.recorder
        if recorder is None or not var.get():
            return
        writer = self._writer(self.writers.get(key), value) if found else None
        if not found and isinstance(self.writers, Memory):
            self._forget(key)
        recorder.states.got(self._store(recorder), key, began, found, writer)

    @guarded
    def put(self, key: Any, began: int, value: Any) -> None:
        """A value was written."""
        recorder = switch.recorder
        if recorder is not None:
            self._keep(key, recorder.states.put(self._store(recorder), key, began), value)

    @guarded
    def wrote(self, pairs: Iterable[tuple[Any, Any]], began: int) -> None:
        """Several values were written at once: one operation, one writer."""
        recorder = switch.recorder
        pairs = list(pairs)
        if recorder is None or not pairs:
            return
        writer = recorder.states.put(self._store(recorder), pairs[0][0] if len(pairs) == 1 else None, began)
        for key, value in pairs:
            self._keep(key, writer, value)

    @guarded
    def deleted(self, keys: Iterable[Any], began: int) -> None:
        """These keys were deleted."""
        recorder = switch.recorder
        keys = list(keys)
        if recorder is None or not keys:
            return
        recorder.states.deleted(self._store(recorder), keys[0] if len(keys) == 1 else None, began)
        for key in keys:
            self._forget(key)

    @guarded
    def cleared(self, began: int, forget: Callable[[], object]) -> None:
        """Many were deleted at once; ``forget`` deletes their writers."""
        recorder = switch.recorder
        if recorder is not None:
            recorder.states.deleted(self._store(recorder), None, began)
            forget()

    @guarded
    def existed(self, key: Any, began: int, found: bool) -> None:
        """It was asked whether there is a value."""
        recorder = switch.recorder
        if recorder is not None:
            recorder.states.existed(self._store(recorder), key, began, found)

    @guarded
    def raised(self, operation: str, key: Any, began: int, error: BaseException) -> None:
        """The store raised. A read that finds nothing may say so by a KeyError."""
        recorder = switch.recorder
        if operation == semconv.GET and isinstance(error, KeyError):
            self.got(key, began, found=False)
        elif recorder is not None:
            recorder.states.failed(self._store(recorder), operation, key, began, error)

    def scan(self, rows: Iterator[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        """Give these keys and values, and record who wrote them when it is over."""
        handling, began, count = var.get().get(HANDLING), time_ns(), 0
        first: list[tuple[Any, Any]] = []
        last: deque[tuple[Any, Any]] = deque(maxlen=ENDS)
        try:
            for row in rows:
                count += 1
                # At once, as the loop may write what it has read.
                (first if count <= ENDS else last).append((self._beside(row[0]), row[1]))
                yield row
        finally:
            # A loop that outlives its message is nobody's any more.
            if var.get().get(HANDLING) is handling:
                self._scanned(began, count, [*first, *last])

    def watched(self) -> bool:
        """Whether anything is to be recorded here and now."""
        return switch.recorder is not None and bool(var.get())

    @guarded
    def got_all(self, rows: Iterable[tuple[Any, Any]], began: int) -> None:
        """Several values were read at once, by their keys."""
        if self.watched():
            rows = list(rows)
            self._scanned(began, len(rows), [(self._beside(key), value) for key, value in ends(rows)])

    @guarded
    def _scanned(self, began: int, count: int, found: Iterable[tuple[Any, Any]]) -> None:
        recorder = switch.recorder
        if recorder is not None:
            writers = [writer for packed, value in found if (writer := self._writer(packed, value)) is not None]
            recorder.states.scanned(self._store(recorder), began, count, writers)

    def _store(self, recorder: Recorder) -> Store:
        if self._known[0] is not recorder:
            self._known = recorder, recorder.states.store(self._name, self._system, self._namespace)
        store: Store = self._known[1]
        return store

    @guarded
    def _beside(self, key: Any) -> Any:
        return self.writers.get(key)

    def _writer(self, packed: Any, value: Any) -> Writer | None:
        if not packed:
            return None
        known = self._content(value)
        return None if known is None else unpack(packed, known)

    def _keep(self, key: Any, writer: Writer | None, value: Any) -> None:
        packed = None if writer is None else self._packed(key, writer, value)
        if packed is None:
            self._forget(key)
        else:
            self.writers[key] = packed

    def _packed(self, key: Any, writer: Writer, value: Any) -> bytes | None:
        if self._limit and self.writers.get(key) == _UNKNOWN:
            return _UNKNOWN  # it was too large before, and one look at each put is what the limit is to save
        known = self._content(value)
        if known is None:
            return None
        if self._limit and len(known) > self._limit and not isinstance(value, (bytes, str)):
            return _UNKNOWN
        return pack(writer, known)

    def _content(self, value: Any) -> bytes | None:
        if self._limit and value.__class__ in _CONTAINERS and sys.getsizeof(value) > self._limit:
            return None
        return content(value)

    def _forget(self, key: Any) -> None:
        if self.writers.get(key) is not None:
            del self.writers[key]
