"""Who wrote a state value, as text in a header of the changelog record that carries the value.

The header ``lineage-writer`` looks like this (printable ASCII, at most ``TEXT_LIMIT`` bytes; unknown fields are skipped)::

    lineage-writer=1;s=<trace id>-<span id>;f=<flags>;p=<partition>;o=<offset>;t=<topic>;c=<cluster>;n=<count>;r=<ranges>;i=<ids>

The leading word keeps Kafka Connect's header converter from taking it for a number, JSON or a date. What would make it too long is
left out, the least important first; the span always fits. ``n`` and ``r`` say how many contributed, and between which offsets,
``i`` who were the last of them (base64, 32 characters each): who replays a changelog adds them up.
"""

from __future__ import annotations

import base64
import re
from binascii import hexlify, unhexlify
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote

from .contributors import IDS, Contributors, Range
from .writers import NO_SPAN, NO_TRACE, Writer

HEADER = "lineage-writer"
TEXT_LIMIT = 256
"""Bytes in one header."""

_MAGIC = b"lineage-writer="
_ID_LENGTH = 32
_SPAN = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")
_RANGE = re.compile(r"(?:([^/,]+)/)?([0-9]{1,9})\.([0-9]{1,18})-([0-9]{1,18})")


def format_writer(writer: Writer) -> bytes:
    """The value of the header ``lineage-writer``."""
    text = b"lineage-writer=1;s=%b-%b;f=%02x" % (hexlify(writer.trace_id), hexlify(writer.span_id), writer.sampled)
    if writer.topic is not None:
        cluster = f";c={quote(writer.cluster, safe='')}" if writer.cluster else ""
        where = f";p={writer.partition};o={writer.offset};t={quote(writer.topic, safe='', errors='replace')}"
        text += _fitting(text, where + cluster) or _fitting(text, where)
    if writer.contributors is not None:
        text += _fitting(text, f";n={writer.contributors.total}")
        ranges = ",".join(_range_text(each, writer.topic) for each in writer.contributors.ranges)
        text += _fitting(text, f";r={ranges}") if ranges and writer.contributors.complete else b""
        text += _ids_text(writer.contributors, TEXT_LIMIT - len(text) - len(";i="))
    return text


def _ids_text(of: Contributors, room: int) -> bytes:
    most = room // _ID_LENGTH * IDS
    ids = (of.first + of.last)[-most:] if most > 0 else b""
    return b";i=" + base64.urlsafe_b64encode(ids) if ids else b""


def _fitting(text: bytes, more: str) -> bytes:
    return more.encode() if len(text) + len(more) <= TEXT_LIMIT else b""


def _range_text(of: Range, topic: str | None) -> str:
    name = "" if of.topic == topic else quote(of.topic, safe="", errors="replace") + "/"
    return f"{name}{of.partition}.{of.low}-{of.high}"


def header_in(headers: Iterable[tuple[Any, Any]]) -> Any:
    """The value of the last such header of a record, for ``parse_writer``; None if it has none."""
    return next((value for name, value in reversed(list(headers)) if name == HEADER), None)


def parse_writer(value: object) -> Writer | None:
    """Who wrote the value that carries this header, or None if it is not ours or cannot be trusted: no value raises."""
    text = _text_of(value)
    if text is None:
        return None
    try:
        fields = dict(part.partition("=")[::2] for part in text.split(";"))
        return _from_text(fields)
    except (ValueError, KeyError):
        return None


def _text_of(value: object) -> str | None:
    """The header's text, whatever a relay made of it: a string, quoted, or base64."""
    if isinstance(value, str):
        value = value.encode("utf-8", "replace")
    if not isinstance(value, (bytes, bytearray)) or len(value) > 4 * TEXT_LIMIT:
        return None
    text = bytes(value).strip(b' \t"')
    try:
        text = text if text.startswith(_MAGIC) else base64.b64decode(text, validate=True)
        return text.decode("ascii") if text.startswith(_MAGIC) else None
    except ValueError:
        return None


def _from_text(fields: dict[str, str]) -> Writer:
    span = _SPAN.fullmatch(fields["s"])
    if span is None or not fields[HEADER].isdigit():
        raise ValueError(fields)
    trace_id, span_id = unhexlify(span[1]), unhexlify(span[2])
    if trace_id == NO_TRACE or span_id == NO_SPAN:
        raise ValueError(fields)
    writer = Writer(trace_id, span_id, bool(int(fields.get("f", "01"), 16) & 1))
    if "t" in fields:
        partition, offset = _whole(fields["p"]), _whole(fields["o"])
        topic, cluster = unquote(fields["t"]), unquote(fields.get("c", "")) or None
        writer = writer._replace(topic=topic, partition=partition, offset=offset, cluster=cluster)
    if "n" not in fields:
        return writer
    ranges = tuple(_range_from(each, writer.topic) for each in fields["r"].split(",")) if "r" in fields else ()
    ids = base64.b64decode(fields.get("i", ""), altchars=b"-_", validate=True)
    if len(ids) % IDS:
        raise ValueError(fields)
    total = _whole(fields["n"])
    return writer._replace(contributors=Contributors(total, ids, ranges=ranges, complete=bool(ranges)))


def _range_from(text: str, topic: str | None) -> Range:
    match = _RANGE.fullmatch(text)
    name = (unquote(match[1]) if match[1] else topic) if match else None
    if match is None or name is None:
        raise ValueError(text)
    return Range(name, _whole(match[2]), _whole(match[3]), _whole(match[4]))


def _whole(text: str) -> int:
    # Larger numbers than Kafka's own are nobody's.
    if not text.isdecimal() or not text.isascii() or len(text) > 18:
        raise ValueError(text)
    return int(text)
