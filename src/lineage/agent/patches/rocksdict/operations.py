"""The methods of ``Rdict`` that read and write: each calls the library's own and reports what it did."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from time import time_ns
from typing import Any

from lineage.agent.beside import traced
from lineage.agent.patches.rocksdict.batches import taken
from lineage.agent.recorder import switch
from lineage.model.semconv import DELETE, EXISTS, GET, PUT


def getitem(original: Any) -> Any:
    """``db[key]``, and ``db[[key, key]]``."""

    @functools.wraps(original)
    def get(self: Any, key: Any) -> Any:
        store = traced.get(id(self))
        if store is None or switch.recorder is None:
            return original(self, key)
        began = time_ns()
        try:
            value = original(self, key)
        except BaseException as error:
            store.raised(GET, key, began, error)
            raise
        if isinstance(key, list):
            store.got_all(zip(key, value, strict=False), began)
        else:
            store.got(key, began, True, value)
        return value

    return get


def get(original: Any) -> Any:
    """``db.get(key, default, read_opt)``, and that of several keys."""

    @functools.wraps(original)
    def get(self: Any, key: Any, default: Any = None, *args: Any, **more: Any) -> Any:
        store = traced.get(id(self))
        if store is None or switch.recorder is None:
            return original(self, key, default, *args, **more)
        began = time_ns()
        try:
            # A default of the caller's might be the very value.
            value = original(self, key, _MISSING, *args, **more)
        except BaseException as error:
            store.raised(GET, key, began, error)
            raise
        if isinstance(key, list):
            # Earlier versions know no default for a list, and give None.
            found = (row for row in zip(key, value, strict=False) if row[1] is not _MISSING and row[1] is not None)
            store.got_all(found, began)
            return [default if each is _MISSING else each for each in value]
        store.got(key, began, value is not _MISSING, value)
        return default if value is _MISSING else value

    return get


_MISSING = object()


def contains(original: Any) -> Any:
    """``key in db``."""

    @functools.wraps(original)
    def contains(self: Any, key: Any) -> Any:
        store = traced.get(id(self))
        if store is None or switch.recorder is None:
            return original(self, key)
        began = time_ns()
        try:
            found = original(self, key)
        except BaseException as error:
            store.raised(EXISTS, key, began, error)
            raise
        store.existed(key, began, found)
        return found

    return contains


def put(original: Any) -> Any:
    """``db[key] = value`` and ``db.put(key, value, write_opt)``."""

    @functools.wraps(original)
    def put(self: Any, key: Any, value: Any, *args: Any, **more: Any) -> Any:
        store = traced.get(id(self))
        if store is None or switch.recorder is None:
            return original(self, key, value, *args, **more)
        began = time_ns()
        try:
            result = original(self, key, value, *args, **more)
        except BaseException as error:
            store.raised(PUT, key, began, error)
            raise
        store.put(key, began, value)
        return result

    return put


def delete(original: Any) -> Any:
    """``del db[key]`` and ``db.delete(key, write_opt)``."""

    @functools.wraps(original)
    def delete(self: Any, key: Any, *args: Any, **more: Any) -> Any:
        store = traced.get(id(self))
        if store is None or switch.recorder is None:
            return original(self, key, *args, **more)
        began = time_ns()
        try:
            result = original(self, key, *args, **more)
        except BaseException as error:
            store.raised(DELETE, key, began, error)
            raise
        store.deleted((key,), began)
        return result

    return delete


def delete_range(original: Any) -> Any:
    """``db.delete_range(begin, end, write_opt)``."""

    @functools.wraps(original)
    def delete(self: Any, begin: Any, end: Any, *args: Any, **more: Any) -> Any:
        store = traced.get(id(self))
        began = time_ns()
        result = original(self, begin, end, *args, **more)
        if store is not None:
            store.cleared(began, functools.partial(store.writers.delete_range, begin, end))
        return result

    return delete


def items(original: Any) -> Any:
    """``db.items(...)``."""

    @functools.wraps(original)
    def items(self: Any, *args: Any, **more: Any) -> Any:
        rows = original(self, *args, **more)
        store = traced.get(id(self))
        return store.scan(rows) if store is not None and store.watched() else rows

    return items


def values(original: Any) -> Any:
    """``db.values(...)``: the keys are needed to tell who wrote them."""

    @functools.wraps(original)
    def values(self: Any, *args: Any, **more: Any) -> Any:
        store = traced.get(id(self))
        if store is None or not store.watched():
            return original(self, *args, **more)
        return _second(self.items(*args, **more))

    return values


def _second(rows: Iterator[tuple[Any, Any]]) -> Iterator[Any]:
    return (value for _, value in rows)


def write(original: Any) -> Any:
    """``db.write(batch, write_opt)``: one operation, however many keys."""

    @functools.wraps(original)
    def write(self: Any, write_batch: Any, *args: Any, **more: Any) -> Any:
        began = time_ns()
        result = original(self, write_batch, *args, **more)
        store, families = traced.get(id(self)), taken(write_batch)
        for name, (written, deleted) in families.items():
            if store is not None:
                of_family = store.writers.sidecar.store(name)
                of_family.wrote(written.items(), began)
                of_family.deleted(deleted, began)
        return result

    return write
