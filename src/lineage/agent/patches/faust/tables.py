"""Tables: what an agent reads and writes, with who wrote what it reads.

Windowed tables, ``setdefault``, ``pop`` and the like come down to these operations of the table beneath.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, ItemsView, Iterator, ValuesView
from time import time_ns
from typing import Any

from lineage.agent.current import var
from lineage.agent.patches.faust import sidecars
from lineage.agent.patches.faust.kept import Kept, kept_of, known
from lineage.agent.patching import Patch
from lineage.agent.recorder import switch
from lineage.model import semconv


def getting(original: Any) -> Any:
    """``table[key]``; a key that is not there makes ``__missing__`` be called."""

    @functools.wraps(original)
    def __getitem__(self: Any, key: Any) -> Any:
        recorder = switch.recorder
        if recorder is None or not var.get():
            return original(self, key)
        kept = kept_of(recorder, self)
        if kept is None:
            return original(self, key)
        kept.missing = False
        began = time_ns()
        try:
            value = original(self, key)
        except BaseException as error:
            if kept.missing:
                kept.got(key, began, None)
            else:
                recorder.states.failed(kept.store, semconv.GET, key, began, error)
            raise
        kept.got(key, began, None if kept.missing else (value,))
        return value

    return __getitem__


def missing(original: Any) -> Any:
    """``__missing__``: the table's default."""

    @functools.wraps(original)
    def __missing__(self: Any, key: Any) -> Any:
        kept = known(self)
        if kept is not None:
            kept.missing = True
        return original(self, key)

    return __missing__


def asking(original: Any) -> Any:
    """``key in table``."""

    @functools.wraps(original)
    def __contains__(self: Any, key: Any) -> Any:
        recorder = switch.recorder
        if recorder is None or not var.get():
            return original(self, key)
        kept = kept_of(recorder, self)
        began = time_ns()
        found = original(self, key)
        if kept is not None:
            kept.states.existed(kept.store, key, began, bool(found))
        return found

    return __contains__


def setting(original: Any) -> Any:
    """``on_key_set``: every way to set a key leads here, before the value is stored; it sends the changelog record."""

    @functools.wraps(original)
    def on_key_set(self: Any, key: Any, value: Any) -> Any:
        return _changing(original, self, semconv.PUT, Kept.put, key, value)

    return on_key_set


def deleting(original: Any) -> Any:
    """``on_key_del``: the same for deletions."""

    @functools.wraps(original)
    def on_key_del(self: Any, key: Any) -> Any:
        return _changing(original, self, semconv.DELETE, Kept.deleted, key)

    return on_key_del


def _changing(original: Any, table: Any, operation: str, changed: Callable[..., Any], key: Any, *value: Any) -> Any:
    recorder = switch.recorder
    kept = kept_of(recorder, table) if recorder is not None else None
    if recorder is None or kept is None:
        return original(table, key, *value)
    kept.sent = None
    began = time_ns()
    try:
        result = original(table, key, *value)
    except BaseException as error:
        recorder.states.failed(kept.store, operation, key, began, error)
        raise
    changed(kept, key, began, *value)
    return result


def listing(view: Callable[[Any, Kept], Any]) -> Callable[[Any], Any]:
    """``items`` and ``values`` of a table in memory; one in RocksDB tells itself what it reads."""

    def wrap(original: Any) -> Any:
        @functools.wraps(original)
        def listed(self: Any) -> Any:
            found = original(self)
            recorder = switch.recorder
            if recorder is None or not var.get():
                return found
            kept = kept_of(recorder, self)
            return view(found, kept) if kept is not None and kept.in_memory else found

        return listed

    return wrap


class _Items(ItemsView[Any, Any]):
    """The items of a table; going through them is a scan."""

    def __init__(self, view: Any, kept: Kept) -> None:
        super().__init__(view.mapping)
        self._view, self._kept = view, kept

    def __iter__(self) -> Iterator[Any]:
        return self._kept.scanned(iter(self._view), _same, self._kept.writer_of)

    def __reversed__(self) -> Iterator[Any]:
        return iter(reversed(self._view))

    def __repr__(self) -> str:
        return repr(self._view)


class _Values(ValuesView[Any]):
    """The values of a table; going through them is a scan."""

    def __init__(self, view: Any, kept: Kept) -> None:
        super().__init__(view.mapping)
        self._pairs = view.mapping.items()
        self._view, self._kept = view, kept

    def __iter__(self) -> Iterator[Any]:
        return self._kept.scanned(iter(self._pairs), _value, self._kept.writer_of)

    def __reversed__(self) -> Iterator[Any]:
        return iter(reversed(self._view))

    def __repr__(self) -> str:
        return repr(self._view)


def looking(original: Any) -> Any:
    """``_visible_items`` of a RocksDB store: what ``items`` and ``values`` read, one partition's database at a time."""

    @functools.wraps(original)
    def _visible_items(self: Any, db: Any) -> Any:
        items = original(self, db)
        recorder = switch.recorder
        kept = kept_of(recorder, self.table) if recorder is not None and var.get() else None
        return items if kept is None else kept.scanned(items, _same, sidecars.reader(self, db))

    return _visible_items


def _same(item: Any) -> Any:
    return item


def _value(item: Any) -> Any:
    return item[1]


TABLE_PATCHES = (
    Patch("faust.tables.table", "Table.__getitem__", getting),
    Patch("faust.tables.table", "Table.__missing__", missing),
    Patch("faust.tables.table", "Table.__contains__", asking),
    Patch("faust.tables.table", "Table.on_key_set", setting),
    Patch("faust.tables.table", "Table.on_key_del", deleting),
    Patch("faust.tables.table", "Table.items", listing(_Items)),
    Patch("faust.tables.table", "Table.values", listing(_Values)),
    Patch("faust.stores.rocksdb", "Store._visible_items", looking),
)
