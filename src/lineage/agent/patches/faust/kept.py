"""Who wrote the values of one table: beside the values in memory or in RocksDB, and in the headers of changelog records."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from time import time_ns
from typing import Any

from lineage.agent.current import HANDLING, var
from lineage.agent.guard import guarded
from lineage.agent.patches.faust import sidecars
from lineage.agent.recorder import Recorder
from lineage.agent.statestore import States, Store
from lineage.model.changelog import HEADER, format_writer, header_in, parse_writer
from lineage.model.contributors import ENDS
from lineage.model.writers import Writer

_ATTRIBUTE = "_lineage_kept"


class Kept:
    """What is known of one table.

    ``missing`` says that the key which is being read has no value, ``sent`` is the changelog record of the change being made.
    ``writers`` are those of a table in memory, with the value that each wrote: another one there was not written by it.
    """

    def __init__(self, table: Any) -> None:
        self._table = table
        self.data = table.data
        kind = type(self.data).__module__
        self.in_memory = kind == "faust.stores.memory"
        self.in_rocksdb = kind == "faust.stores.rocksdb"
        self.missing = False
        self.sent: Any = None
        self.writers: dict[Any, tuple[Any, Writer]] = {}
        self.states: States
        self.store: Store

    def report_to(self, recorder: Recorder) -> Kept:
        """The recorder is on, perhaps again."""
        self.states = recorder.states
        self.store = self.states.store(self._table.name, self.data.url.scheme)
        return self

    @guarded
    def got(self, key: Any, began: int, found: tuple[Any] | None) -> None:
        """This value was read, or none."""
        writer = None
        if found:
            writer = sidecars.of_last_read(self.data) if self.in_rocksdb else self.writer_of(key, found[0])
        self.states.got(self.store, key, began, found is not None, writer)

    @guarded
    def put(self, key: Any, began: int, value: Any) -> None:
        """This value is about to be stored, its changelog record about to be sent."""
        writer = self.states.put(self.store, key, began)
        if self.in_memory:
            self._remember(key, value, writer)
        message = self.sent.message if self.sent is not None else None
        if message is None or writer is None:
            return
        if isinstance(message.headers, dict):
            message.headers[HEADER] = format_writer(writer)
        elif isinstance(message.headers, list):
            message.headers.append((HEADER, format_writer(writer)))
        if self.in_rocksdb:
            sidecars.expect(self.data, message.key, writer)

    @guarded
    def deleted(self, key: Any, began: int) -> None:
        """The value is about to go."""
        self.states.deleted(self.store, key, began)
        self.writers.pop(key, None)

    def scanned(
        self,
        items: Iterable[tuple[Any, Any]],
        row: Callable[[tuple[Any, Any]], Any],
        writer_of: Callable[[Any, Any], Writer | None],
    ) -> Iterator[Any]:
        """Give ``row`` of each item, and record in the end what was read; ``writer_of`` is asked for the first and last."""
        handling, began, rows = var.get().get(HANDLING), time_ns(), 0
        first: list[Writer | None] = []
        last: deque[tuple[Any, Any]] = deque(maxlen=ENDS)
        find = guarded(writer_of)
        try:
            for item in items:
                rows += 1
                if rows <= ENDS:
                    # At once, as the loop may write what it has read.
                    first.append(find(*item))
                else:
                    last.append(item)
                yield row(item)
        finally:
            # A loop that outlives its event is nobody's any more.
            if var.get().get(HANDLING) is handling:
                writers = [*first, *(find(*item) for item in last)]
                self.states.scanned(self.store, began, rows, [writer for writer in writers if writer is not None])

    @guarded
    def recovered(self, events: list[Any]) -> None:
        """These records of the changelog were applied."""
        for event in events:
            message = event.message
            writer = None if message.value is None else parse_writer(header_in(_pairs(message.headers)))
            if self.in_memory:
                key = self._table._to_key(event.key)
                self._remember(key, self.data.data.get(key), writer)
            elif self.in_rocksdb:
                sidecars.keep(self.data, message.partition, message.key, message.value, writer)

    @guarded
    def prune(self) -> None:
        """Values went without having been deleted by anyone: expired ones, those of other workers' partitions."""
        if self.in_memory:
            values = self.data.data
            for key in [key for key in self.writers if key not in values]:
                del self.writers[key]

    def _remember(self, key: Any, value: Any, writer: Writer | None) -> None:
        if writer is None:
            self.writers.pop(key, None)
        else:
            self.writers[key] = value, writer

    def writer_of(self, key: Any, value: Any) -> Writer | None:
        """Who wrote this value of a table in memory."""
        wrote, writer = self.writers.get(key, (None, None))
        return writer if wrote is value else None


@guarded
def kept_of(recorder: Recorder, table: Any) -> Kept | None:
    """What is known of a table; None if that cannot be told."""
    kept: Kept | None = vars(table).get(_ATTRIBUTE)
    if kept is None:
        kept = Kept(table).report_to(recorder)
        setattr(table, _ATTRIBUTE, kept)
    elif kept.states is not recorder.states:
        kept.report_to(recorder)
    return kept


def known(table: Any) -> Kept | None:
    """What is known of a table so far."""
    kept: Kept | None = vars(table).get(_ATTRIBUTE)
    return kept


def _pairs(headers: Any) -> Iterable[tuple[Any, Any]]:
    return headers.items() if isinstance(headers, dict) else headers or ()
