"""Who wrote the values of one state partition: those of the open transaction, those written lately, those on disk.

In RocksDB writers lie in a column family of their own, written in the same batch as the values. It cannot be the values' own
family: the changelog does not tell families apart by key, and the user's iteration would see them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lineage.agent.current import HANDLING, ProcessSpan, var
from lineage.agent.recorder import Recorder, switch
from lineage.agent.statestore import Store
from lineage.model.contributors import Contributors
from lineage.model.writers import Writer, pack, unpack

FAMILY = "__lineage__"
VALUES = frozenset(("default", "__values__"))
"""The column families that hold the user's values; the others are the library's own bookkeeping."""

_ATTRIBUTE = "_lineage_kept"
_RECENT = "_lineage_recent"
_MOST_RECENT = 4096

Place = tuple[str, bytes]
"""A column family and a key in it."""


class Change(NamedTuple):
    """What the open transaction did to a key: ``writer`` is None where it is not known, ``event`` the message it was done for."""

    writer: Writer | None
    event: ProcessSpan | None
    prefix: bytes


class Kept:
    """Writers, as one transaction of one store partition knows them.

    ``deleted`` has what the values were made of that the current message removed; ``merging`` adds that to what it puts,
    ``derive`` tells it otherwise;
    ``windowed`` values are made of several messages; ``items`` are those of the last range that was read. While it is
    ``closing``, changes are no message's; while it is ``asking``, a value is looked at but not read.
    """

    def __init__(self, transaction: Any, name: str, stream: str | None) -> None:
        self.partition = transaction._partition
        self.name = name
        self.stream = stream
        self.on_disk = hasattr(self.partition, "get_column_family_handle")
        self.changes: dict[Place, Change] = {}
        self.read: dict[Place, Writer | None] = {}
        self.deleted: dict[bytes, Contributors] = {}
        self.windowed = self.merging = self.closing = self.asking = False
        self.derive: Callable[[], tuple[Contributors | None, bool]] | None = None
        self._recorder: Recorder | None = None
        self._store: Store
        self._family: Any = None
        self.items: list[tuple[bytes, bytes]] = []

    def store(self, recorder: Recorder) -> Store:
        """The store as spans show it."""
        if self._recorder is not recorder:
            self._recorder = recorder
            self._store = recorder.states.store(self.name, "rocksdb" if self.on_disk else "memory", self.stream)
        return self._store

    def writer(self, family: str, key: bytes, value: bytes | None = None) -> Writer | None:
        """Who wrote what the transaction sees under a key; ``value`` as it lies on disk, if it was read already."""
        place = family, key
        change = self.changes.get(place)
        if change is not None:
            return change.writer
        if place in self.read:
            return self.read[place]
        writer = _recent(self.partition).get(place)
        if writer is None and self.on_disk:
            writer = self._on_disk(family, key, value)
        if len(self.read) >= _MOST_RECENT:
            self.read.clear()
        self.read[place] = writer
        return writer

    def _on_disk(self, family: str, key: bytes, value: bytes | None) -> Writer | None:
        if self._family is None:
            self._family = self.partition.get_or_create_column_family(FAMILY)
        packed = self._family.get(row(family, key))
        if not isinstance(packed, bytes):
            return None
        if value is None:
            value = self.partition.get(key, family)
        return unpack(packed, value) if isinstance(value, bytes) else None

    def contributors(self, key: bytes) -> Contributors | None:
        """What a window's value was made of, also if it was removed just now."""
        if key in self.deleted:
            return self.deleted[key]
        writer = self.writer("default", key)
        return writer.contributors if writer is not None else None

    def put(self, recorder: Recorder, family: str, key: bytes, prefix: bytes, began: int) -> None:
        """A value was put into the transaction."""
        place = family, key
        if self.closing:
            # The library writes it in another form, or of its own accord.
            self.changes.setdefault(place, Change(None, None, prefix))
            return
        writer = None
        if family in VALUES:
            fan_in = self.windowed and family == "default"
            before, added = self._before(key) if fan_in else (None, False)
            writer = recorder.states.put(self.store(recorder), key, began, before, fan_in=added)
            if fan_in and not added and writer is not None:
                writer = writer._replace(contributors=before)
        self.changes[place] = Change(writer, event_here(), prefix)

    def _before(self, key: bytes) -> tuple[Contributors | None, bool]:
        """What a window's value was made of before this message, and whether that is added now.

        A session takes over from those that it absorbs.
        """
        if self.derive is not None:
            return self.derive()
        known = self.writer("default", key)
        before = (known.contributors if known is not None else None) or Contributors()
        if self.merging:
            for each in self.deleted.values():
                before = each.merged(before)
        return before, True

    def delete(self, recorder: Recorder, family: str, key: bytes, prefix: bytes, began: int) -> None:
        """A value was deleted in the transaction."""
        if family in VALUES and not self.closing:
            if self.windowed and family == "default" and (gone := self.contributors(key)) is not None:
                self.deleted[key] = gone
            recorder.states.deleted(self.store(recorder), key, began)
        self.changes[family, key] = Change(None, None if self.closing else event_here(), prefix)

    def rows(self, cache: Any) -> list[tuple[bytes, bytes | None]]:
        """What to write beside the values of this transaction: packed writers, None to delete one."""
        found: list[tuple[bytes, bytes | None]] = []
        for (family, key), change in self.changes.items():
            if family not in VALUES:
                continue
            value = cache.get_updates(cf_name=family).get(change.prefix, {}).get(key)
            packed = pack(change.writer, value) if change.writer is not None and value is not None else None
            found.append((row(family, key), packed))
        return found

    def written(self) -> None:
        """The transaction is on disk: later ones need not look there."""
        recent = _recent(self.partition)
        for place, change in self.changes.items():
            if change.writer is not None:
                recent[place] = change.writer
            else:
                recent.pop(place, None)
        # A memory store has no other place for them.
        if self.on_disk:
            _bounded(recent)


def _recent(partition: Any) -> dict[Place, Writer]:
    """What was written lately, by this recorder: while the agent was off, anything may have happened."""
    owner, recent = vars(partition).get(_RECENT, (None, None))
    if owner is not switch.recorder or recent is None:
        recent = {}
        setattr(partition, _RECENT, (switch.recorder, recent))
    known: dict[Place, Writer] = recent
    return known


def _bounded(recent: dict[Place, Writer]) -> None:
    while len(recent) > _MOST_RECENT:
        del recent[next(iter(recent))]


def _added_up(writer: Writer, before: Writer | None) -> Writer:
    """A header tells only the last contributors, the one of the same key before it others."""
    if writer.contributors is None or before is None or before.contributors is None:
        return writer
    return writer._replace(contributors=writer.contributors.replayed(before.contributors))


def unwatched(partition: Any) -> None:
    """A transaction that began without the agent has written: what is known is not so any more."""
    setattr(partition, _RECENT, (None, None))


def row(family: str, key: bytes) -> bytes:
    """Where the writer of a value lies in our column family."""
    return family.encode() + b"\0" + key


def attach(transaction: Any, name: str, stream: str | None) -> None:
    """Watch a new transaction."""
    kept = Kept(transaction, name, stream)
    setattr(transaction._update_cache, _ATTRIBUTE, kept)


def kept_of(transaction: Any) -> Kept | None:
    """What is known of a transaction, if the agent is on and was when it began."""
    return kept_by(transaction._update_cache) if switch.recorder is not None else None


def kept_by(cache: Any) -> Kept | None:
    """The same by its update cache, also if the agent was switched off since."""
    kept: Kept | None = vars(cache).get(_ATTRIBUTE)
    return kept


def recovered(partition: Any, family: str, key: bytes, writer: Writer | None) -> None:
    """A value came from the changelog, or is gone by it."""
    recent = _recent(partition)
    before = recent.pop((family, key), None)
    if writer is not None:
        writer = recent[family, key] = _added_up(writer, before)
    if not hasattr(partition, "get_column_family_handle"):
        return
    _bounded(recent)
    handle = partition.get_column_family_handle(FAMILY)
    value = partition.get(key, family) if writer is not None else None
    batch = new_batch()
    if writer is not None and isinstance(value, bytes):
        batch.put(row(family, key), pack(writer, value), handle)
    else:
        batch.delete(row(family, key), handle)
    partition._write(batch)


def new_batch() -> Any:
    """A batch of raw keys and values."""
    from rocksdict import WriteBatch

    return WriteBatch(raw_mode=True)


def event_here() -> ProcessSpan | None:
    """The message that is being handled."""
    handling = var.get().get(HANDLING)
    return handling if isinstance(handling, ProcessSpan) else None
