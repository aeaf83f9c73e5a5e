"""Record headers <-> causes: the text of ``traceparent`` and of our own ``lineage-context``.

``lineage-context`` looks like this (one line, printable ASCII; fields may come in any order, unknown ones are skipped)::

    lineage=1;s=<trace id>-<span id>;t=<topic>;c=<cluster>;p=<producer>;n=<sequence>;h=<hops>;e=<time>;et=<topic>;ec=<cluster>

``s`` is the span of this send, ``t`` and ``c`` where the record was sent, ``p`` and ``n`` by which producer instance and as which
message of its topic, ``h`` how many times the event was sent before, and ``e``, ``et``, ``ec`` when (hexadecimal milliseconds)
and where it entered. The leading word keeps Kafka Connect's header converter from taking it for a number, JSON or a date.
"""

from __future__ import annotations

import base64
import re
from binascii import Error, hexlify, unhexlify
from collections.abc import Iterable
from dataclasses import dataclass

from .records import Entry, SpanRef

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
BAGGAGE = "baggage"
LINEAGE = "lineage-context"

_MAGIC = b"lineage="
_OURS = b"lineage=1;s="
_TIME = re.compile("[0-9a-f]{1,16}")
_SPAN = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_LENGTH = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_DASH = ord("-")
_FLAGS = {b"-01": True, b"-00": False}
# A named tuple's own constructor takes three times as long.
_new = tuple.__new__
_TEXT_LIMIT = 4096
_PLACES = 4096

# Where events entered, as other headers say it too: the same few again and again.
_places: set[bytes] = set()
_progress: dict[bytes, tuple[int, bytes, int]] = {}


@dataclass(frozen=True, slots=True)
class LineageContext:
    """What a ``lineage-context`` header says about the record that carries it."""

    span: SpanRef
    topic: str
    entry: Entry
    hops: int = 0
    cluster: str | None = None
    producer: str | None = None
    sequence: int | None = None


def format_ids(trace_id: bytes, span_id: bytes) -> bytes:
    """Both ids as headers write them, ready for ``format_traceparent`` and ``format_lineage``."""
    return b"%b-%b" % (hexlify(trace_id), hexlify(span_id))


def format_traceparent(ids: bytes, sampled: bool) -> bytes:
    """The W3C Trace Context header, version 00, out of ``format_ids``."""
    return b"00-%b-01" % ids if sampled else b"00-%b-00" % ids


def parse_traceparent(value: object) -> SpanRef | None:
    """The span that a ``traceparent`` names, or None for anything that names none: no value raises."""
    if value.__class__ is bytes and len(value) == _LENGTH:
        # What nearly every message carries, in a third of the time.
        sampled = _FLAGS.get(value[52:])
        if sampled is not None and value[:3] == b"00-" and value[35] == _DASH:
            return _span_ref(value[3:35], value[36:52], sampled)
    text = _text_of(value, is_traceparent=True)
    match = _TRACEPARENT.fullmatch(text) if text else None
    if match is None or match[1] == b"ff" or (match[5] and match[1] == b"00"):
        return None
    return _span_ref(match[2], match[3], bool(int(match[4], 16) & 1))


def _span_ref(trace: bytes | str, span: bytes | str, sampled: bool = True) -> SpanRef | None:
    """Out of hexadecimal ids, or None if they are none."""
    try:
        trace_id, span_id = unhexlify(trace), unhexlify(span)
    except ValueError:
        return None
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return _new(SpanRef, (trace_id, span_id, sampled, None))


def constant_part(topic: str, cluster: str | None, producer: str) -> bytes:
    """What every ``lineage-context`` of one producer and topic has in common, ready for ``format_lineage``."""
    where = f";c={_safe(cluster)}" if cluster else ""
    return f";t={_safe(topic)}{where};p={_safe(producer)}".encode()


def entry_place(topic: str, cluster: str | None) -> bytes:
    """Where events enter, ready for ``format_entry``."""
    where = f";ec={_safe(cluster)}" if cluster else ""
    return f";et={_safe(topic)}{where}".encode()


def format_entry(place: bytes, time_ms: int) -> bytes:
    """The entry fields of an event that enters at ``entry_place``; later sends hand them on as they are."""
    return b";e=%x%b" % (time_ms, place)


def format_lineage(ids: bytes, constant: bytes, sequence: int, hops: int, entry: bytes) -> bytes:
    """One ``lineage-context`` value, out of ``format_ids``, ``constant_part`` and ``format_entry``."""
    return b"lineage=1;s=%b%b;n=%d;h=%d%b" % (ids, constant, sequence, hops, entry)


def parse_lineage(value: object) -> LineageContext | None:
    """What the header says, or None if it is not ours or cannot be trusted: no value raises."""
    text = _text_of(value, is_traceparent=False)
    if not text or not text.startswith(_MAGIC):
        return None
    try:
        return _from_fields(dict(_fields(text.decode("ascii"))))
    except (ValueError, KeyError):
        return None


def parse_progress(value: object) -> tuple[int, bytes, int] | None:
    """How far an event has come: hops, the entry fields to hand on, and the time of entry in ms. None if the header is not ours.

    The end of a header as we write it, ``;h=<hops>;e=<time>;et=<place>``, says it all, and many messages share it.
    """
    if value.__class__ is bytes and value[:12] == _OURS:
        end = value.rpartition(b";h=")[2]
        return _progress.get(end) or _parse_end(value, end)
    return _parse_progress(value)


def _parse_end(value: object, end: bytes) -> tuple[int, bytes, int] | None:
    """The same for a header whose end was not seen lately: without taking it apart, if its place is known."""
    hops, _, entry = end.partition(b";e=")
    time, _, place = entry.partition(b";")
    if place not in _places or not (hops.isdigit() and time.isalnum()) or time[1:2] == b"x":
        return _parse_progress(value)
    try:
        progress = int(hops), b";e=" + entry, int(time, 16)
    except ValueError:
        return None
    if len(_progress) >= _PLACES:
        _progress.clear()
    _progress[end] = progress
    return progress


def _parse_progress(value: object) -> tuple[int, bytes, int] | None:
    said = parse_lineage(value)
    return None if said is None else (said.hops, _entry_fields(said.entry), said.entry.time)


def _entry_fields(entry: Entry) -> bytes:
    place = entry_place(entry.topic, entry.cluster)
    if len(_places) >= _PLACES:
        _places.clear()
    _places.add(place[1:])
    return format_entry(place, entry.time)


def is_lineage(value: object) -> bool:
    """Whether a header called ``lineage-context`` really is ours: else it is the user's, and stays."""
    return parse_lineage(value) is not None


def _from_fields(fields: dict[str, str]) -> LineageContext:
    span = _SPAN.fullmatch(fields["s"])
    time = fields["e"]
    if not fields["lineage"].isdigit() or span is None or not _TIME.fullmatch(time):
        raise ValueError(fields)
    ref = _span_ref(span[1], span[2])
    if ref is None:
        raise ValueError(fields)
    return LineageContext(
        span=ref,
        topic=_unsafe(fields["t"]),
        entry=Entry(_unsafe(fields["et"]), int(time, 16), _optional(fields.get("ec"))),
        hops=_whole(fields["h"]),
        cluster=_optional(fields.get("c")),
        producer=_optional(fields.get("p")),
        sequence=_whole(fields["n"]) if "n" in fields else None,
    )


def _whole(text: str) -> int:
    if not text.isdigit():
        raise ValueError(text)
    return int(text)


def _fields(text: str) -> Iterable[tuple[str, str]]:
    for part in text.split(";"):
        name, separator, value = part.partition("=")
        if separator:
            yield name, value


def _text_of(value: object, *, is_traceparent: bool) -> bytes | None:
    """The header's text as bytes, whatever a relay made of it: a string, quoted, or base64."""
    if isinstance(value, str):
        value = value.encode("utf-8", "replace")
    if not isinstance(value, (bytes, bytearray)) or len(value) > _TEXT_LIMIT:
        return None
    text = bytes(value).strip(b' \t"')
    plain = text[2:3] == b"-" if is_traceparent else text.startswith(_MAGIC)
    return text if plain else _from_base64(text)


def _from_base64(text: bytes) -> bytes | None:
    # Kafka Connect's default header converter turns every value into base64.
    try:
        return base64.b64decode(text, validate=True)
    except (Error, ValueError):
        return None


def _safe(text: str) -> str:
    return _UNSAFE.sub(lambda match: "".join(f"%{byte:02x}" for byte in match[0].encode("utf-8", "replace")), text)


def _unsafe(text: str) -> str:
    if "%" not in text:
        return text
    return re.sub(rb"%([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), text.encode()).decode(
        "utf-8", "replace"
    )


def _optional(text: str | None) -> str | None:
    return _unsafe(text) if text else None
