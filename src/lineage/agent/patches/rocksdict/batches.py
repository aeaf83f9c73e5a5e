"""``WriteBatch``: what it will write is noted until the database takes it, as the batch itself does not tell."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from lineage.agent.guard import guarded
from lineage.agent.patches.rocksdict.sidecar import DEFAULT
from lineage.agent.patches.rocksdict.stores import by_library

_MOST = 64
"""Batches that are remembered: of one that is never written nobody tells us."""
_MOST_FAMILIES = 1000


class Changes(NamedTuple):
    """What a batch does to one column family."""

    written: dict[Any, Any]
    deleted: dict[Any, None]


class _Batch:
    def __init__(self) -> None:
        self.default: str | None = DEFAULT
        self.families: dict[str, Changes] = {}

    def of(self, family: Any) -> Changes | None:
        name = self.default if family is None else _families.get(id(family))
        return None if name is None else self.families.setdefault(name, Changes({}, {}))


_batches: dict[int, _Batch] = {}
_families: dict[int, str] = {}


def taken(batch: Any) -> dict[str, Changes]:
    """What the batch did, by column family; it cannot be written again."""
    noted = _batches.pop(id(batch), None)
    return {} if noted is None else noted.families


def made(original: Any) -> Any:
    """``WriteBatch()``. The object itself is made by ``__new__``."""

    def __init__(self: Any, *_: Any, **__: Any) -> None:
        _made(self, by_library())

    __init__.__doc__ = original.__doc__
    return __init__


@guarded
def _made(batch: Any, foreign: bool) -> None:
    _batches.pop(id(batch), None)
    if foreign:
        return
    if len(_batches) >= _MOST:
        _batches.pop(next(iter(_batches)), None)
    _batches[id(batch)] = _Batch()


def _changes(batch: Any, column_family: Any) -> Changes | None:
    noted = _batches.get(id(batch))
    return None if noted is None else noted.of(column_family)


def put(original: Any) -> Any:
    """``batch[key] = value`` and ``batch.put(key, value, column_family)``."""

    @functools.wraps(original)
    def put(self: Any, key: Any, value: Any, *args: Any, **more: Any) -> Any:
        result = original(self, key, value, *args, **more)
        _note(self, key, value, *args, **more)
        return result

    return put


@guarded
def _note(batch: Any, key: Any, value: Any, column_family: Any = None) -> None:
    if (changes := _changes(batch, column_family)) is not None:
        changes.deleted.pop(key, None)
        changes.written[key] = value


def delete(original: Any) -> Any:
    """``del batch[key]`` and ``batch.delete(key, column_family)``."""

    @functools.wraps(original)
    def delete(self: Any, key: Any, *args: Any, **more: Any) -> Any:
        result = original(self, key, *args, **more)
        _note_deleted(self, key, *args, **more)
        return result

    return delete


@guarded
def _note_deleted(batch: Any, key: Any, column_family: Any = None) -> None:
    if (changes := _changes(batch, column_family)) is not None:
        changes.written.pop(key, None)
        changes.deleted[key] = None


def clear(original: Any) -> Any:
    """``batch.clear()``."""

    @functools.wraps(original)
    def clear(self: Any) -> Any:
        result = original(self)
        noted = _batches.get(id(self))
        if noted is not None:
            noted.families.clear()
        return result

    return clear


def set_default(original: Any) -> Any:
    """``batch.set_default_column_family(handle)``."""

    @functools.wraps(original)
    def set_default(self: Any, column_family: Any = None) -> Any:
        result = original(self, column_family)
        noted = _batches.get(id(self))
        if noted is not None:
            noted.default = DEFAULT if column_family is None else _families.get(id(column_family))
        return result

    return set_default


def handle(original: Any) -> Any:
    """``db.get_column_family_handle(name)``: a handle does not tell its name."""

    @functools.wraps(original)
    def handle(self: Any, name: str) -> Any:
        result = original(self, name)
        if len(_families) >= _MOST_FAMILIES:
            _families.clear()
        _families[id(result)] = name
        return result

    return handle
