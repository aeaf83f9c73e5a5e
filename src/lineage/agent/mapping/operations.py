"""The methods of a traced mapping: each calls the mapping's own and reports what it did.

They find the mapping in ``_lineage_raw`` and what is kept beside it in ``_lineage_beside``. Methods are called by name, as a
``super()`` has no operators.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from time import time_ns
from typing import Any

from lineage.agent.mapping.proxy import bare
from lineage.agent.mapping.views import Items, Values, seconds
from lineage.agent.recorder import switch
from lineage.model.semconv import DELETE, EXISTS, GET, PUT


def _getitem(self: Any, key: Any) -> Any:
    raw, beside = self._lineage_raw, self._lineage_beside
    if switch.recorder is None:
        return raw.__getitem__(key)
    # A defaultdict has a value for every key.
    found = not hasattr(raw, "__missing__") or raw.__contains__(key)
    began = time_ns()
    try:
        value = raw.__getitem__(key)
    except BaseException as error:
        beside.raised(GET, key, began, error)
        raise
    beside.got(key, began, found, value)
    return value


def _get(self: Any, key: Any, *default: Any, **more: Any) -> Any:
    raw, beside = self._lineage_raw, self._lineage_beside
    if switch.recorder is None:
        return raw.get(key, *default, **more)
    began = time_ns()
    try:
        value = raw.get(key, *default, **more)
    except BaseException as error:
        beside.raised(GET, key, began, error)
        raise
    missing = default[0] if default else more.get("default")
    beside.got(key, began, value is not missing or raw.__contains__(key), value)
    return value


def _contains(self: Any, key: Any) -> bool:
    raw, beside = self._lineage_raw, self._lineage_beside
    began = time_ns()
    try:
        found: bool = raw.__contains__(key)
    except BaseException as error:
        beside.raised(EXISTS, key, began, error)
        raise
    beside.existed(key, began, found)
    return found


def _setitem(self: Any, key: Any, value: Any) -> None:
    began = time_ns()
    try:
        self._lineage_raw.__setitem__(key, value)
    except BaseException as error:
        self._lineage_beside.raised(PUT, key, began, error)
        raise
    self._lineage_beside.put(key, began, value)


def _delitem(self: Any, key: Any) -> None:
    began = time_ns()
    try:
        self._lineage_raw.__delitem__(key)
    except BaseException as error:
        self._lineage_beside.raised(DELETE, key, began, error)
        raise
    self._lineage_beside.deleted((key,), began)


def _setdefault(self: Any, key: Any, *default: Any, **more: Any) -> Any:
    raw, beside = self._lineage_raw, self._lineage_beside
    if switch.recorder is None:
        return raw.setdefault(key, *default, **more)
    found, began = raw.__contains__(key), time_ns()
    try:
        value = raw.setdefault(key, *default, **more)
    except BaseException as error:
        beside.raised(PUT, key, began, error)
        raise
    beside.got(key, began, found, value)
    if not found:
        beside.put(key, time_ns(), value)
    return value


def _pop(self: Any, key: Any, *default: Any, **more: Any) -> Any:
    raw, beside = self._lineage_raw, self._lineage_beside
    if switch.recorder is None:
        return raw.pop(key, *default, **more)
    found, began = raw.__contains__(key), time_ns()
    try:
        value = raw.pop(key, *default, **more)
    except BaseException as error:
        beside.raised(GET, key, began, error)
        raise
    beside.got(key, began, found, value)
    if found:
        beside.deleted((key,), time_ns())
    return value


def _popitem(self: Any, *args: Any, **more: Any) -> Any:
    began = time_ns()
    key, value = item = self._lineage_raw.popitem(*args, **more)
    self._lineage_beside.got(key, began, True, value)
    self._lineage_beside.deleted((key,), time_ns())
    return item


def _clear(self: Any) -> None:
    beside, began = self._lineage_beside, time_ns()
    self._lineage_raw.clear()
    beside.cleared(began, getattr(beside.writers, "clear", int))  # what is left fits no value


def _update(self: Any, *args: Any, **more: Any) -> None:
    pairs: list[tuple[Any, Any]] = []
    began = time_ns()
    try:
        self._lineage_raw.update(*(_noted(arg, pairs) for arg in args), **more)
    except BaseException as error:
        self._lineage_beside.raised(PUT, None, began, error)
        raise
    self._lineage_beside.wrote([*pairs, *more.items()], began)


def _ior(self: Any, other: Any) -> Any:
    pairs: list[tuple[Any, Any]] = []
    began = time_ns()
    if self._lineage_raw.__ior__(_noted(other, pairs)) is NotImplemented:
        return NotImplemented
    self._lineage_beside.wrote(pairs, began)
    return self


def _noted(source: Any, pairs: list[tuple[Any, Any]]) -> Any:
    """The source of an update, to be given on; what is taken from it is noted."""
    source = bare(source)
    if isinstance(source, Mapping):
        pairs.extend(source.items())
        return source
    return source if hasattr(source, "keys") or not hasattr(source, "__iter__") else _noting(source, pairs)


def _noting(source: Any, pairs: list[tuple[Any, Any]]) -> Iterator[Any]:
    for pair in source:
        yield pair
        if isinstance(pair, (tuple, list)) and len(pair) == 2:
            pairs.append((pair[0], pair[1]))


def _items(self: Any, *args: Any, **more: Any) -> Any:
    view = self._lineage_raw.items(*args, **more)
    if isinstance(view, ItemsView):
        return Items(view, view, self._lineage_beside)
    # An iterator over rows.
    return self._lineage_beside.scan(iter(view)) if self._lineage_beside.watched() else view


def _values(self: Any, *args: Any, **more: Any) -> Any:
    raw, beside = self._lineage_raw, self._lineage_beside
    view = raw.values(*args, **more)
    if isinstance(view, ValuesView):
        return Values(view, raw.items(*args, **more), beside)
    # An iterator over values: who wrote them is known by key.
    return seconds(beside.scan(iter(raw.items(*args, **more)))) if beside.watched() else view


OPERATIONS: dict[str, Callable[..., Any]] = {
    "__getitem__": _getitem,
    "get": _get,
    "__contains__": _contains,
    "__setitem__": _setitem,
    "__delitem__": _delitem,
    "setdefault": _setdefault,
    "pop": _pop,
    "popitem": _popitem,
    "clear": _clear,
    "update": _update,
    "__ior__": _ior,
    "items": _items,
    "values": _values,
}
