"""State operations, as the transactions of RocksDB and memory stores see them: default and named stores, windows, joins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import time_ns
from typing import Any

from lineage.agent.guard import guarded
from lineage.agent.links import ENDS
from lineage.agent.patches.quixstreams.kept import VALUES, Kept, attach, kept_by, kept_of
from lineage.agent.patching import Patch
from lineage.agent.recorder import Recorder, switch
from lineage.model import semconv
from lineage.model.writers import Writer

# What a join's store keeps among the values when it reads it, and elsewhere when it writes it.
_BOOKKEEPING = b"__min_eligible_timestamps__"


def starting(original: Any) -> Any:
    """``Store.start_partition_transaction``."""

    def start_partition_transaction(self: Any, *args: Any, **kwargs: Any) -> Any:
        transaction = original(self, *args, **kwargs)
        if switch.recorder is not None:
            guarded(attach)(transaction, self.name, self.stream_id)
        return transaction

    return start_partition_transaction


def reading(original: Any) -> Any:
    """``_get_bytes``: what ``get``, ``get_bytes`` and ``get_window`` come down to."""

    def _get_bytes(self: Any, key: Any, prefix: bytes, cf_name: str = "default", *args: Any, **kwargs: Any) -> Any:
        recorder = switch.recorder
        kept = kept_of(self) if recorder is not None and cf_name in VALUES else None
        if recorder is None or kept is None or kept.asking or key == _BOOKKEEPING:
            return original(self, key, prefix, cf_name, *args, **kwargs)
        began = time_ns()
        try:
            value = original(self, key, prefix, cf_name, *args, **kwargs)
        except BaseException as error:
            recorder.states.failed(kept.store(recorder), semconv.GET, key, began, error)
            raise
        _read(recorder, kept, self, key, prefix, cf_name, began, value)
        return value

    return _get_bytes


@guarded
def _read(
    recorder: Recorder, kept: Kept, transaction: Any, key: Any, prefix: bytes, family: str, began: int, value: Any
) -> None:
    full = transaction._serialize_key(key, prefix=prefix)
    found = isinstance(value, bytes)
    # With a time to live the value on disk has a stamp before it.
    plain = value if found and not kept.partition.uses_ttl_stamps else None
    writer = kept.writer(family, full, plain) if found else None
    recorder.states.got(kept.store(recorder), full, began, found, writer)


def asking(original: Any) -> Any:
    """``exists``, which may look at the value."""

    def exists(self: Any, key: Any, prefix: bytes, cf_name: str = "default", *args: Any, **kwargs: Any) -> Any:
        recorder = switch.recorder
        kept = kept_of(self) if recorder is not None and cf_name in VALUES else None
        if recorder is None or kept is None:
            return original(self, key, prefix, cf_name, *args, **kwargs)
        began, kept.asking = time_ns(), True
        try:
            found = original(self, key, prefix, cf_name, *args, **kwargs)
        except BaseException as error:
            recorder.states.failed(kept.store(recorder), semconv.EXISTS, key, began, error)
            raise
        finally:
            kept.asking = False
        recorder.states.existed(kept.store(recorder), key, began, found)
        return found

    return exists


def putting(original: Any) -> Any:
    """``set`` of the cache of what a transaction changed: it has the key in its final form."""

    def set(self: Any, key: bytes, value: bytes, prefix: bytes, cf_name: str = "default") -> Any:  # noqa: A001
        recorder = switch.recorder
        if recorder is None:
            return original(self, key, value, prefix, cf_name)
        began = time_ns()
        result = original(self, key, value, prefix, cf_name)
        _changed(Kept.put, recorder, self, cf_name, key, prefix, began)
        return result

    return set


def deleting(original: Any) -> Any:
    """``delete`` of the same cache."""

    def delete(self: Any, key: Any, prefix: bytes, cf_name: str = "default") -> Any:
        recorder = switch.recorder
        if recorder is None:
            return original(self, key, prefix, cf_name)
        began = time_ns()
        result = original(self, key, prefix, cf_name)
        _changed(Kept.delete, recorder, self, cf_name, key, prefix, began)
        return result

    return delete


@guarded
def _changed(
    operation: Callable[..., None], recorder: Recorder, cache: Any, family: str, key: bytes, prefix: bytes, began: int
) -> None:
    kept = kept_by(cache)
    if kept is not None:
        operation(kept, recorder, family, key, prefix, began)


def scanning(original: Any) -> Any:
    """``_get_items``: a range of keys, as a list."""

    def _get_items(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = switch.recorder
        kept = kept_of(self) if recorder is not None else None
        began = time_ns()
        items = original(self, *args, **kwargs)
        if recorder is not None and kept is not None and kwargs.get("cf_name", "default") in VALUES:
            _scanned(recorder, kept, kwargs.get("cf_name", "default"), began, items)
        return items

    return _get_items


@guarded
def _scanned(recorder: Recorder, kept: Kept, family: str, began: int, items: list[tuple[bytes, bytes]]) -> None:
    kept.items = items
    some = items if len(items) <= 2 * ENDS else items[:ENDS] + items[-ENDS:]
    found = (kept.writer(family, key, value) for key, value in some)
    recorder.states.scanned(kept.store(recorder), began, len(items), [each for each in found if each is not None])


def finding(original: Any) -> Any:
    """``get_latest``: the newest value that is not newer than a message of the other side."""

    def get_latest(self: Any, timestamp: int, prefix: Any) -> Any:
        recorder = switch.recorder
        kept = kept_of(self) if recorder is not None else None
        began = time_ns()
        value = original(self, timestamp, prefix)
        if recorder is not None and kept is not None:
            _found(recorder, kept, self, timestamp, prefix, began, value)
        return value

    return get_latest


@guarded
def _found(
    recorder: Recorder, kept: Kept, transaction: Any, timestamp: int, prefix: Any, began: int, value: Any
) -> None:
    kept.items = _latest(transaction, timestamp, transaction._ensure_bytes(prefix)) if value is not None else []
    writer = kept.writer("default", *kept.items[0]) if kept.items else None
    recorder.states.got(kept.store(recorder), prefix, began, value is not None, writer)


def _latest(transaction: Any, timestamp: int, prefix: bytes) -> list[tuple[bytes, bytes]]:
    """Under which key the value was found: the library tells the value alone."""
    from quixstreams.state.serialization import int_to_bytes

    bounds = (
        transaction._serialize_key(transaction._get_min_eligible_timestamp(prefix), prefix),
        transaction._serialize_key(int_to_bytes(timestamp + 1), prefix),
    )
    cache = transaction._update_cache
    items = [item for item in cache.get_updates().get(prefix, {}).items() if bounds[0] <= item[0] < bounds[1]]
    stored = transaction._partition.iter_items(*bounds, backwards=True)
    items += [next((item for item in stored if item[0] not in cache.get_deletes()), (b"", b""))]
    return [max(items)]


def walking(original: Any) -> Any:
    """``iter_windows``: a lazy range of windows; the span lasts until nobody wants more."""

    def iter_windows(self: Any, prefix: bytes, *args: Any, **kwargs: Any) -> Iterator[Any]:
        recorder = switch.recorder
        kept = kept_of(self) if recorder is not None else None
        windows = original(self, prefix, *args, **kwargs)
        return windows if recorder is None or kept is None else _walk(recorder, kept, self, windows)

    return iter_windows


def _walk(recorder: Recorder, kept: Kept, transaction: Any, windows: Iterator[Any]) -> Iterator[Any]:
    began, rows = time_ns(), 0
    writers: list[Writer] = []
    try:
        for window in windows:
            rows += 1
            if len(writers) < ENDS:
                _note(kept, transaction, window, writers)
            yield window
    finally:
        recorder.states.scanned(kept.store(recorder), began, rows, writers)


@guarded
def _note(kept: Kept, transaction: Any, window: Any, writers: list[Writer]) -> None:
    (start, end), _, prefix = window
    writer = kept.writer("default", window_key(transaction, start, end, prefix))
    if writer is not None:
        writers.append(writer)


def window_key(transaction: Any, start: int, end: int, prefix: bytes) -> bytes:
    """The key of a window's value. Times are in milliseconds."""
    from quixstreams.state.serialization import encode_integer_pair

    key: bytes = transaction._serialize_key(encode_integer_pair(start, end), prefix=prefix)
    return key


_BASE = "quixstreams.state.base.transaction"
_ROCKSDB = "quixstreams.state.rocksdb.transaction"
_MEMORY = "quixstreams.state.memory.partition"

PATCHES = (
    Patch("quixstreams.state.base.store", "Store.start_partition_transaction", starting),
    Patch(_ROCKSDB, "RocksDBPartitionTransaction._get_bytes", reading),
    Patch(_ROCKSDB, "RocksDBPartitionTransaction.exists", asking),
    Patch(_ROCKSDB, "RocksDBPartitionTransaction._get_items", scanning),
    Patch("quixstreams.state.rocksdb.timestamped", "TimestampedPartitionTransaction.get_latest", finding),
    Patch(_MEMORY, "MemoryPartitionTransaction._get_bytes", reading),
    Patch(_MEMORY, "MemoryPartitionTransaction.exists", asking),
    Patch(_BASE, "PartitionTransactionCache.set", putting),
    Patch(_BASE, "PartitionTransactionCache.delete", deleting),
    Patch(
        "quixstreams.state.rocksdb.windowed.transaction", "WindowedRocksDBPartitionTransaction.iter_windows", walking
    ),
)
