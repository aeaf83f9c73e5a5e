"""Writers beside a RocksDB store: in a database of ours next to each of its own, as whatever lies in those the user's loops see.

It opens when it is first needed and closes before the store's own database does: then another worker may take over both. Whatever
happens to it, a value that it does not fit has no writer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lineage.agent.guard import guarded
from lineage.agent.patching import Patch
from lineage.agent.recorder import switch
from lineage.model.writers import Writer, pack, unpack

_OPEN = "_lineage_sidecars"
_EXPECTED = "_lineage_expected"
_READ = "_lineage_read"
_BUFFER = 4 << 20


def expect(store: Any, key: bytes, writer: Writer) -> None:
    """The value that comes next under this key is this writer's."""
    vars(store).setdefault(_EXPECTED, {})[key] = writer


def keep(store: Any, partition: int, key: bytes, value: bytes | None, writer: Writer | None) -> None:
    """Who wrote this value of a partition; None if that is not known, or if there is none any more."""
    sidecar = _sidecar(store, partition)
    if sidecar is None:
        return
    if writer is None or value is None:
        sidecar.delete(key)
    else:
        sidecar.put(key, pack(writer, value))


def writer_of(store: Any, partition: int, key: bytes, value: bytes) -> Writer | None:
    """Who wrote this value of a partition, if that is known."""
    sidecar = _sidecar(store, partition)
    return None if sidecar is None else unpack(sidecar.get(key), value)


def reader(store: Any, db: Any) -> Callable[[bytes, bytes], Writer | None]:
    """Tells who wrote what lies in one of the store's databases."""

    def of_row(key: bytes, value: bytes) -> Writer | None:
        partition = next((partition for partition, each in store._dbs.items() if each is db), None)
        return None if partition is None else writer_of(store, partition, key, value)

    return of_row


def of_last_read(store: Any) -> Writer | None:
    """Who wrote the value that the store read just now."""
    key, value = vars(store).get(_READ, (None, None))
    return None if value is None else writer_of(store, store._key_index[key], key, value)


def reading(original: Any) -> Any:
    """``_get``: here the value is as it lies in the database."""

    @functools.wraps(original)
    def _get(self: Any, key: Any) -> Any:
        value = original(self, key)
        setattr(self, _READ, (key, value))
        return value

    return _get


def writing(original: Any) -> Any:
    """``_set``."""

    @functools.wraps(original)
    def _set(self: Any, key: Any, value: Any) -> Any:
        result = original(self, key, value)
        if switch.recorder is not None:
            _written(self, key, value)
        return result

    return _set


def deleting(original: Any) -> Any:
    """``_del``."""

    @functools.wraps(original)
    def _del(self: Any, key: Any) -> Any:
        result = original(self, key)
        if switch.recorder is not None:
            _deleted(self, key)
        return result

    return _del


def closing(original: Any) -> Any:
    """``revoke_partitions``, ``reset_state``, ``stop``: the databases close, or will be deleted."""

    @functools.wraps(original)
    def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        # All of them: those that are needed still will be opened again.
        vars(self).pop(_OPEN, None)
        return original(self, *args, **kwargs)

    return close


@guarded
def _written(store: Any, key: bytes, value: bytes) -> None:
    writer = vars(store).get(_EXPECTED, {}).pop(key, None)
    keep(store, store._key_index[key], key, value, writer)


@guarded
def _deleted(store: Any, key: bytes) -> None:
    partition = store._key_index.get(key)
    for each in list(store._dbs) if partition is None else [partition]:
        keep(store, each, key, None, None)


def _sidecar(store: Any, partition: int) -> Any:
    sidecars = vars(store).setdefault(_OPEN, {})
    if partition not in sidecars:
        sidecars[partition] = None
        # Read-only or full disks, another worker's lock: then nobody knows who wrote what.
        with suppress(Exception):
            sidecars[partition] = None if store.read_only else _open(store, partition)
    return sidecars[partition]


def _open(store: Any, partition: int) -> Any:
    path = store.partition_path(partition)
    name = str(path.with_name(f"{path.name.removesuffix('.db')}.lineage"))
    if not store.use_rocksdict:
        import rocksdb  # type: ignore[import-not-found]  # the older of the two bindings

        return rocksdb.DB(name, rocksdb.Options(create_if_missing=True, write_buffer_size=_BUFFER))
    from rocksdict import Options, Rdict

    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(_BUFFER)
    return Rdict(name, options)


SIDECAR_PATCHES = tuple(
    Patch("faust.stores.rocksdb", f"Store.{name}", wrap)
    for name, wrap in {
        "_get": reading,
        "_set": writing,
        "_del": deleting,
        "revoke_partitions": closing,
        "reset_state": closing,
        "stop": closing,
    }.items()
)
