"""Who wrote a state value, and the bytes that are kept beside it.

The bytes (at most ``LIMIT``) are a version, the crc32 of the value, then fields of a tag, a two-byte length and content; unknown
tags are skipped. A value that was changed by anyone who does not know of us has another checksum, and thus no writer. What would
make them too many is left out, the least important first; the span always fits.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

from .contributors import IDS, Contributors, pack_ranges, unpack_ranges
from .records import RecordRef

LIMIT = 1024
"""Bytes beside one value."""

_VERSION = 1
_SPAN, _AT, _TOPIC, _CLUSTER, _COUNT, _FIRST, _LAST, _RANGES, _PARTIAL, _HEADER = range(1, 11)
_PLAIN = struct.Struct(">BIBH16s8sB")
_PLACED = struct.Struct(">BIBH16s8sBBHIq")
_FIELD = struct.Struct(">BH")
_WHERE = struct.Struct(">Iq")
_HEAD = 5
NO_SPAN, NO_TRACE = bytes(8), bytes(16)
_KNOWN = 4096

# Writers are few kinds of message: the same topic and cluster again and again.
_places: dict[tuple[str, str | None], bytes] = {}
_tails: dict[bytes, tuple[str, str | None]] = {}


class Writer(NamedTuple):
    """The span that wrote a value, and the record that it handled: ``topic`` is None if there was none.

    ``contributors`` are all that the value was made of, where it was made of several. ``headers`` are those that whoever reads the
    value hands on. A tuple, as one is made for every write.
    """

    trace_id: bytes
    span_id: bytes
    sampled: bool = True
    topic: str | None = None
    partition: int = 0
    offset: int = 0
    cluster: str | None = None
    contributors: Contributors | None = None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def record(self) -> RecordRef | None:
        """The record that was being handled."""
        return None if self.topic is None else RecordRef(self.topic, self.partition, self.offset, self.cluster)

    @property
    def state(self) -> None:
        """Its trace state is not kept; here for those who take a writer for a span."""
        return None

    def contributing(self, before: Contributors | None) -> Writer:
        """This writer of a value to which ``before`` contributed already, and now it does."""
        contributors = before or Contributors()
        ids = self.trace_id + self.span_id
        return self._replace(contributors=contributors.plus(ids, self.topic, self.partition, self.offset))


def pack(writer: Writer, value: bytes) -> bytes:
    """The bytes to keep beside ``value``."""
    trace_id, span_id, sampled, topic, partition, offset, cluster, contributors, headers = writer
    if topic is None:
        packed = _PLAIN.pack(_VERSION, crc32(value), _SPAN, 25, trace_id, span_id, sampled)
    else:
        packed = _PLACED.pack(
            _VERSION, crc32(value), _SPAN, 25, trace_id, span_id, sampled, _AT, 12, partition, offset
        ) + (_places.get((topic, cluster)) or _place(topic, cluster))
    if contributors is not None:
        packed += _pack_contributors(contributors, topic, LIMIT - len(packed))
    for name, content in headers:
        key = name.encode("utf-8", "replace")
        if len(packed) + len(key) + len(content) + 4 <= LIMIT and len(key) < 256:
            packed += _field(_HEADER, bytes((len(key),)) + key + content)
    return packed


def _place(topic: str, cluster: str | None) -> bytes:
    # Kafka's own names are shorter than that.
    named = (
        (_TOPIC, topic.encode("utf-8", "replace"), 300),
        (_CLUSTER, (cluster or "").encode("utf-8", "replace"), 64),
    )
    packed = b"".join(_field(tag, name) for tag, name, most in named if 0 < len(name) <= most)
    if len(_places) >= _KNOWN:
        _places.clear()
    _places[topic, cluster] = packed
    return packed


def _pack_contributors(contributors: Contributors, topic: str | None, room: int) -> bytes:
    """Count, ids and ranges, in no more than ``room`` bytes: rather fewer ids than none of the ranges."""
    total, first, last, ranges, complete = contributors
    room -= 5 * _FIELD.size + 8 + 1
    packed_ranges, all_fit = pack_ranges(ranges, topic, room // 4)
    half = max(0, (room - len(packed_ranges)) // 2 // IDS * IDS)
    parts = [
        _field(_COUNT, struct.pack(">Q", total)),
        _field(_FIRST, first[:half]),
        _field(_LAST, last[-half:] if half else b""),
    ]
    parts.append(_field(_RANGES, packed_ranges))
    if not (complete and all_fit):
        parts.append(_field(_PARTIAL, b""))
    return b"".join(parts)


def _field(tag: int, content: bytes) -> bytes:
    return _FIELD.pack(tag, len(content)) + content


def unpack(packed: object, value: bytes) -> Writer | None:
    """Who wrote ``value``, or None if that is not known: no bytes raise."""
    if not isinstance(packed, bytes) or len(packed) < _PLAIN.size or packed[0] != _VERSION:
        return None
    if int.from_bytes(packed[1:_HEAD], "big") != crc32(value):
        return None
    place = _tails.get(packed[_PLACED.size :])
    if place is not None and packed[5:8] == b"\x01\x00\x19" and packed[33:36] == b"\x02\x00\x0c":
        # What nearly every value has beside it, in a third of the time.
        _, _, _, _, trace_id, span_id, sampled, _, _, partition, offset = _PLACED.unpack_from(packed)
        return Writer(trace_id, span_id, bool(sampled & 1), place[0], partition, offset, place[1])
    try:
        return _unpack(packed)
    except (ValueError, struct.error, KeyError):
        return None


def _unpack(packed: bytes) -> Writer:
    fields, headers, at = {}, [], _HEAD
    while at < len(packed):
        tag, size = _FIELD.unpack_from(packed, at)
        at += _FIELD.size + size
        if at > len(packed):
            raise ValueError(packed)
        fields[tag] = packed[at - size : at]
        if tag == _HEADER:
            headers.append(_header(fields[tag]))
    trace_id, span_id, sampled = struct.unpack(">16s8sB", fields[_SPAN])
    if trace_id == NO_TRACE or span_id == NO_SPAN:
        raise ValueError(packed)
    writer = Writer(trace_id, span_id, bool(sampled & 1), contributors=_contributors(fields), headers=tuple(headers))
    if _AT not in fields or _TOPIC not in fields:
        return writer
    partition, offset = _WHERE.unpack(fields[_AT])
    if offset < 0:
        raise ValueError(packed)
    topic, cluster = fields[_TOPIC].decode(), fields.get(_CLUSTER, b"").decode() or None
    if set(fields) <= {_SPAN, _AT, _TOPIC, _CLUSTER}:
        _remember(packed[_PLACED.size :], topic, cluster)
    return writer._replace(topic=topic, partition=partition, offset=offset, cluster=cluster)


def _remember(tail: bytes, topic: str, cluster: str | None) -> None:
    """The next value with the same place beside it is read the fast way; only if it is written as we do."""
    if tail == _place(topic, cluster):
        if len(_tails) >= _KNOWN:
            _tails.clear()
        _tails[tail] = topic, cluster


def _contributors(fields: dict[int, bytes]) -> Contributors | None:
    if _COUNT not in fields:
        return None
    (total,) = struct.unpack(">Q", fields[_COUNT])
    first, last = fields.get(_FIRST, b""), fields.get(_LAST, b"")
    if len(first) % IDS or len(last) % IDS:
        raise ValueError(fields)
    topic = fields[_TOPIC].decode() if _TOPIC in fields else None
    return Contributors(total, first, last, unpack_ranges(fields.get(_RANGES, b""), topic), _PARTIAL not in fields)


def _header(content: bytes) -> tuple[str, bytes]:
    size = content[0] if content else 0
    return content[1 : 1 + size].decode(), content[1 + size :]
