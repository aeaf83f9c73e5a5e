"""From the transaction to the changelog and the disk, and back: recovery."""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan

from lineage.agent.current import HANDLING, SPAN, SUPPRESSED, Handling, var
from lineage.agent.guard import guarded
from lineage.agent.patches.quixstreams.kept import (
    FAMILY,
    Change,
    Kept,
    kept_by,
    kept_of,
    new_batch,
    recovered,
    unwatched,
)
from lineage.agent.patching import Patch
from lineage.agent.recorder import switch
from lineage.agent.spans import context_of
from lineage.model.changelog import HEADER, format_writer, header_in, parse_writer

_PREPARED = "_lineage_prepared"
_HEADER = "_lineage_header"


def committing(original: Any) -> Any:
    """``Checkpoint.commit``: what it sends and writes belongs to many messages, not to the last one that was handled."""

    def commit(self: Any, *args: Any, **kwargs: Any) -> Any:
        if switch.recorder is None:
            return original(self, *args, **kwargs)
        token = var.set(outside())
        try:
            return original(self, *args, **kwargs)
        finally:
            var.reset(token)

    return commit


def outside() -> Context:
    """The context without the message. A rebalance commits within a poll, where nothing else is recorded."""
    context = var.get()
    handling: Any = context.get(HANDLING)
    base = context if handling is None else handling.base
    return Context({key: value for key, value in base.items() if key != SUPPRESSED})


def preparing(original: Any) -> Any:
    """``prepare``: the library may write values in another form, delete what has expired, and write its bookkeeping."""

    def prepare(self: Any, *args: Any, **kwargs: Any) -> Any:
        kept = kept_of(self)
        if kept is None:
            return original(self, *args, **kwargs)
        kept.closing = True
        producer = self._changelog_producer
        if producer is not None:
            setattr(producer, _PREPARED, kept)
        try:
            return original(self, *args, **kwargs)
        finally:
            if producer is not None:
                setattr(producer, _PREPARED, None)

    return prepare


def producing(original: Any) -> Any:
    """``ChangelogProducer.produce``: with the writer in a header, and as an effect of what wrote."""

    def produce(self: Any, key: Any, value: Any = None, headers: Any = None, *args: Any, **kwargs: Any) -> Any:
        change = _change(vars(self).get(_PREPARED), key, headers) if switch.recorder is not None else None
        if change is None:
            return original(self, key, value, headers, *args, **kwargs)
        if value is not None and change.writer is not None:
            # The library passes the same dict for many keys.
            headers = {**headers, HEADER: format_writer(change.writer)}
        token = var.set(_inside(change))
        try:
            return original(self, key, value, headers, *args, **kwargs)
        finally:
            var.reset(token)

    return produce


@guarded
def _change(kept: Kept | None, key: Any, headers: Any) -> Change | None:
    if kept is None or not isinstance(headers, dict):
        return None
    family: Any = headers.get("__column_family__")
    return kept.changes.get((family, key))


def _inside(change: Change) -> Context:
    """The context in which the change was made."""
    base = var.get()
    if change.event is None:
        return base
    span: Any = change.event if change.writer is None else NonRecordingSpan(context_of(change.writer, remote=False))
    return Context({**base, SPAN: span, HANDLING: Handling(base, change.event)})


def writing(original: Any) -> Any:
    """``RocksDBStorePartition.write``: the writers go into the batch of the values."""

    def write(self: Any, cache: Any, changelog_offset: Any, batch: Any = None) -> Any:
        kept = kept_by(cache)
        if kept is not None:
            batch = _prefilled(self, kept, cache, batch) or batch
        result = original(self, cache, changelog_offset, batch)
        _written(self, kept)
        return result

    return write


@guarded
def _prefilled(partition: Any, kept: Kept, cache: Any, batch: Any) -> Any:
    """The batch that the values will go into, with their writers in it."""
    rows = kept.rows(cache)
    if not rows:
        return batch
    batch = new_batch() if batch is None else batch
    handle = partition.get_column_family_handle(FAMILY)
    for key, packed in rows:
        if packed is None:
            batch.delete(key, handle)
        else:
            batch.put(key, packed, handle)
    return batch


def remembering(original: Any) -> Any:
    """``MemoryStorePartition.write``: the writers stay in memory, too."""

    def write(self: Any, cache: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, cache, *args, **kwargs)
        _written(self, kept_by(cache))
        return result

    return write


@guarded
def _written(partition: Any, kept: Kept | None) -> None:
    if kept is None:
        unwatched(partition)
    else:
        kept.written()


def recovering(original: Any) -> Any:
    """``RecoveryPartition.recover_from_changelog_message``: only here are the headers at hand."""

    def recover_from_changelog_message(self: Any, changelog_message: Any) -> Any:
        if switch.recorder is None:
            return original(self, changelog_message)
        partition = self._store_partition
        setattr(partition, _HEADER, guarded(_header)(changelog_message))
        try:
            return original(self, changelog_message)
        finally:
            setattr(partition, _HEADER, None)

    return recover_from_changelog_message


def _header(message: Any) -> Any:
    return header_in(message.headers() or ())


def restoring(original: Any) -> Any:
    """``recover_from_changelog_message`` of a store's partition: called unless the record is to be skipped."""

    def recover_from_changelog_message(self: Any, key: Any, value: Any, cf_name: str, *args: Any, **kwargs: Any) -> Any:
        result = original(self, key, value, cf_name, *args, **kwargs)
        if switch.recorder is not None:
            writer = parse_writer(vars(self).get(_HEADER)) if value is not None else None
            guarded(recovered)(self, cf_name, key, writer)
        return result

    return recover_from_changelog_message


_ROCKSDB = "quixstreams.state.rocksdb.partition"
_MEMORY = "quixstreams.state.memory.partition"

PATCHES = (
    Patch("quixstreams.checkpointing.checkpoint", "Checkpoint.commit", committing),
    Patch("quixstreams.state.base.transaction", "PartitionTransaction.prepare", preparing),
    Patch("quixstreams.state.rocksdb.transaction", "RocksDBPartitionTransaction.prepare", preparing),
    Patch("quixstreams.state.rocksdb.timestamped", "TimestampedPartitionTransaction.prepare", preparing),
    Patch(_MEMORY, "MemoryPartitionTransaction.prepare", preparing),
    Patch("quixstreams.state.recovery", "ChangelogProducer.produce", producing),
    Patch("quixstreams.state.recovery", "RecoveryPartition.recover_from_changelog_message", recovering),
    Patch(_ROCKSDB, "RocksDBStorePartition.write", writing),
    Patch(_ROCKSDB, "RocksDBStorePartition.recover_from_changelog_message", restoring),
    Patch(_MEMORY, "MemoryStorePartition.write", remembering),
    Patch(_MEMORY, "MemoryStorePartition.recover_from_changelog_message", restoring),
)
