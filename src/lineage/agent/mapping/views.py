"""The views of a traced mapping: of keys and values, and of values."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, ValuesView
from typing import Any

from lineage.agent.beside import Beside


class _View:
    """A view of the values. What iterates over it is recorded when it is through."""

    def __init__(self, view: Any, items: Any, beside: Beside) -> None:
        self._view = view
        self._items = items
        self._beside = beside

    def __len__(self) -> int:
        return len(self._view)

    def __contains__(self, item: object) -> bool:
        return item in self._view

    def __repr__(self) -> str:
        return repr(self._view)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)

    def __iter__(self) -> Any:
        return self._rows(iter, self._items)

    def __reversed__(self) -> Any:
        return self._rows(reversed, self._items)

    def _rows(self, order: Callable[[Any], Any], items: Any) -> Any:
        return self._beside.scan(order(items)) if self._beside.watched() else order(self._view)


class Items(_View, ItemsView[Any, Any]):
    """What ``items()`` gives."""


class Values(_View, ValuesView[Any]):
    """What ``values()`` gives; the keys are needed to tell who wrote them."""

    def _rows(self, order: Callable[[Any], Any], items: Any) -> Any:
        return seconds(self._beside.scan(order(items))) if self._beside.watched() else order(self._view)


def seconds(rows: Iterator[tuple[Any, Any]]) -> Iterator[Any]:
    """The values."""
    return (value for _, value in rows)
