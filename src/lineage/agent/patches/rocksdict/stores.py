"""Which databases are traced: those that the application opens by itself.

rocksdict's objects hold no attributes and no weak references, so this goes by id. Each way to get such an object leads through
here, so an id is never that of an earlier one.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from lineage.agent.beside import traced
from lineage.agent.guard import guarded
from lineage.agent.patches.rocksdict.sidecar import DEFAULT, Family, Sidecar

if TYPE_CHECKING:
    from pathlib import Path

_LIBRARIES = frozenset({"faust", "lineage", "quixstreams"})
"""They keep who wrote a value themselves, or have patches of their own for that."""

_sidecars: dict[Path, Sidecar] = {}


def by_library() -> bool:
    """Whether it is one of the libraries that calls the function that calls this."""
    name: str = sys._getframe(2).f_globals.get("__name__", "")
    return name.partition(".")[0] in _LIBRARIES


def family_of(db: Any) -> Family | None:
    """The writers of an open database or column family, or None if it is not traced."""
    store = traced.get(id(db))
    return None if store is None else store.writers


def opened(original: Any) -> Any:
    """``Rdict(path)``. The object itself is made by ``__new__``."""

    def __init__(self: Any, *_: Any, **__: Any) -> None:
        _opened(self, by_library())

    __init__.__doc__ = original.__doc__
    return __init__


@guarded
def _opened(db: Any, foreign: bool) -> None:
    traced.pop(id(db), None)
    if foreign:
        return
    path = _resolved(db.path())
    before = _sidecars.pop(path, None)
    if before is not None:
        before.close()
    sidecar = _sidecars[path] = Sidecar(path)
    _register(db, sidecar, DEFAULT)


def _resolved(path: str) -> Path:
    from pathlib import Path  # slow to load, and most applications have no such database

    return Path(path).resolve()


def _register(db: Any, sidecar: Sidecar, family: str) -> None:
    store = traced[id(db)] = sidecar.store(family)
    store.kind = type(db)


def family(original: Any) -> Any:
    """``get_column_family`` and ``create_column_family``."""

    @functools.wraps(original)
    def get(self: Any, name: str, *args: Any, **more: Any) -> Any:
        result = original(self, name, *args, **more)
        _got_family(self, name, result)
        return result

    return get


@guarded
def _got_family(db: Any, name: str, result: Any) -> None:
    traced.pop(id(result), None)
    known = family_of(db)
    if known is not None:
        _register(result, known.sidecar, name)


def drop_family(original: Any) -> Any:
    """``drop_column_family``."""

    @functools.wraps(original)
    def drop(self: Any, name: str) -> Any:
        result = original(self, name)
        _dropped(self, name)
        return result

    return drop


@guarded
def _dropped(db: Any, name: str) -> None:
    known = family_of(db)
    if known is not None:
        known.sidecar.store(name).writers.clear()


def close(original: Any) -> Any:
    """``close``, also at the end of a ``with`` block."""

    @functools.wraps(original)
    def close(self: Any) -> Any:
        result = original(self)
        _closed(self)
        return result

    return close


@guarded
def _closed(db: Any) -> None:
    known = family_of(db)
    if known is not None:
        traced.pop(id(db), None)
        known.sidecar.close()


def catch_up(original: Any) -> Any:
    """``try_catch_up_with_primary``: a secondary instance sees what the other process wrote."""

    @functools.wraps(original)
    def catch_up(self: Any) -> Any:
        result = original(self)
        _caught_up(self)
        return result

    return catch_up


@guarded
def _caught_up(db: Any) -> None:
    known = family_of(db)
    if known is not None:
        known.sidecar.refresh()


def destroy(original: Any) -> Any:
    """``Rdict.destroy``: then nothing of ours is left either."""

    @functools.wraps(original)
    def destroy(path: Any, *args: Any, **more: Any) -> Any:
        result = original(path, *args, **more)
        _destroyed(path)
        return result

    return destroy


@guarded
def _destroyed(path: Any) -> None:
    resolved = _resolved(path)
    (_sidecars.pop(resolved, None) or Sidecar(resolved)).remove()
