"""Sliding windows: what a window's value is made of, though the library copies values from one window to the next.

For each message it walks over the windows nearby. Whatever it puts meanwhile was made of the value that the walk has reached, or
of none (``_initialize_value``), and of the message itself if that was aggregated. Without aggregation it is a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lineage.agent.patches.quixstreams.kept import Kept, kept_of
from lineage.agent.patches.quixstreams.state import window_key
from lineage.agent.patching import Patch
from lineage.model.contributors import Contributors


class _Walk:
    """Where the walk of the message that is being handled is; one thread handles all of them."""

    def __init__(self) -> None:
        self.kept: Kept | None = None
        self.at: bytes | None = None
        self.fresh = self.aggregated = False

    def begin(self, kept: Kept | None) -> None:
        """The next message; None where its store is not watched."""
        self.kept, self.at, self.fresh, self.aggregated = kept, None, False, False

    def derive(self) -> tuple[Contributors | None, bool]:
        """What the value that is put now was made of, and whether the message itself belongs to it."""
        known = self.kept.contributors(self.at) if self.kept is not None and self.at is not None else None
        before, added = None if self.fresh else known, self.aggregated
        self.fresh = self.aggregated = False
        return before, added


walk = _Walk()


class _Windows(list[Any]):
    """The windows to walk over: as the library goes on, it is known where it is."""

    transaction: Any

    def __iter__(self) -> Iterator[Any]:
        for window in super().__iter__():
            (start, end), _, prefix = window
            walk.at = window_key(self.transaction, start, end, prefix)
            yield window


def walking(original: Any) -> Any:
    """``get_windows``."""

    def get_windows(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = original(self, *args, **kwargs)
        kept = kept_of(self)
        if kept is None or kept is not walk.kept:
            return found
        windows = _Windows(found)
        windows.transaction = self
        return windows

    return get_windows


def initializing(original: Any) -> Any:
    """``_initialize_value``: the value of a window that nothing was added to."""

    def _initialize_value(self: Any) -> Any:
        walk.fresh = True
        return original(self)

    return _initialize_value


def aggregating(original: Any) -> Any:
    """``_aggregate_value``: the message is added."""

    def _aggregate_value(self: Any, *args: Any, **kwargs: Any) -> Any:
        walk.aggregated = True
        return original(self, *args, **kwargs)

    return _aggregate_value


_BASE = "quixstreams.dataframe.windows.base"

PATCHES = (
    Patch("quixstreams.state.rocksdb.windowed.transaction", "WindowedRocksDBPartitionTransaction.get_windows", walking),
    *(
        Patch(_BASE, f"{mixin}.{method}", wrap)
        for mixin in ("SingleAggregationWindowMixin", "MultiAggregationWindowMixin")
        for method, wrap in (("_initialize_value", initializing), ("_aggregate_value", aggregating))
    ),
)
