"""Fan-in: which spans contributed to a value, in a size that does not grow with their number.

Kept are the first and the last 16, how many there were, and the offsets they lie between. Adding one costs the same for the first
as for the hundred-thousandth.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

ENDS = 16
"""How many of the first are kept, and as many of the last."""
IDS = 24
"""Bytes of one contributor: trace id and span id."""

_KEPT = ENDS * IDS
_MOST_RANGES = 8
_RANGE = struct.Struct(">IqqB")


class Range(NamedTuple):
    """Offsets of one partition, both included. Candidates: not every record between them needs to have contributed."""

    topic: str
    partition: int
    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.low}-{self.high}"


class Contributors(NamedTuple):
    """``first`` and ``last`` are ids, one behind the other; ``last`` begins where ``first`` is full.

    ``complete`` says whether ``ranges`` cover every record; beyond eight partitions they do not.
    """

    total: int = 0
    first: bytes = b""
    last: bytes = b""
    ranges: tuple[Range, ...] = ()
    complete: bool = True

    def plus(self, ids: bytes, topic: str | None, partition: int, offset: int) -> Contributors:
        """One more: its trace and span id, and the record that it handled (no topic: none that is known)."""
        total, first, last, ranges, complete = self
        if len(first) < _KEPT:
            first += ids
        else:
            last = (last + ids)[-_KEPT:]
        if topic is None:
            return Contributors(total + 1, first, last, ranges, False)
        ranges, held = _widened(ranges, Range(topic, partition, offset, offset))
        return Contributors(total + 1, first, last, ranges, complete and held)

    def merged(self, later: Contributors) -> Contributors:
        """Those of two values that became one."""
        ids = self.first + self.last + later.first + later.last
        ranges, complete = self.ranges, self.complete and later.complete
        for each in later.ranges:
            ranges, held = _widened(ranges, each)
            complete = complete and held
        return Contributors(self.total + later.total, ids[:_KEPT], ids[_KEPT:][-_KEPT:], ranges, complete)

    def replayed(self, before: Contributors) -> Contributors:
        """With the ids of an earlier state of the same value, where this one tells only the last few of its own."""
        known = dict.fromkeys(before.ids())
        known.update(dict.fromkeys(self.ids()))
        ids = b"".join(trace_id + span_id for trace_id, span_id in known)
        return self._replace(first=ids[:_KEPT], last=ids[_KEPT:][-_KEPT:])

    def ids(self) -> Iterator[tuple[bytes, bytes]]:
        """Trace and span id of each that is kept, each once."""
        kept = self.first + self.last
        each = dict.fromkeys(kept[at : at + IDS] for at in range(0, len(kept), IDS))
        return ((ids[:16], ids[16:]) for ids in each)


def _widened(ranges: tuple[Range, ...], new: Range) -> tuple[tuple[Range, ...], bool]:
    """The ranges with this one in them, and whether there was room for it."""
    topic, partition, low, high = new
    for at, known in enumerate(ranges):
        if known[1] == partition and known[0] == topic:
            if known[2] <= low and high <= known[3]:
                return ranges, True
            wider = Range(topic, partition, min(low, known[2]), max(high, known[3]))
            return (*ranges[:at], wider, *ranges[at + 1 :]), True
    if len(ranges) >= _MOST_RANGES:
        return ranges, False
    return (*ranges, new), True


def pack_ranges(ranges: tuple[Range, ...], topic: str | None, room: int) -> tuple[bytes, bool]:
    """As many ranges as fit into ``room`` bytes, and whether these were all. ``topic`` need not be repeated."""
    packed = b""
    for each in ranges:
        name = b"" if each.topic == topic else each.topic.encode("utf-8", "replace")
        one = _RANGE.pack(each.partition, each.low, each.high, len(name)) + name if len(name) < 256 else b""
        if not one or len(packed) + len(one) > room:
            return packed, False
        packed += one
    return packed, True


def unpack_ranges(packed: bytes, topic: str | None) -> tuple[Range, ...]:
    """The reverse; raises ValueError or struct.error for anything else."""
    ranges, at = [], 0
    while at < len(packed):
        partition, low, high, size = _RANGE.unpack_from(packed, at)
        at += _RANGE.size + size
        name = packed[at - size : at].decode() if size else topic
        if name is None or at > len(packed) or not 0 <= low <= high:
            raise ValueError(packed)
        ranges.append(Range(name, partition, low, high))
    return tuple(ranges)
