"""Light spans -> OTLP: each one an element of ``ScopeSpans.spans``, ready to be put after the others.

Hand-written because the SDK's way costs 50 us a span and this one 2: what is constant is encoded once per template,
what is rare in functions that a plain span never calls.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, TraceState

from lineage.agent import native
from lineage.agent.export.stores import writer_link
from lineage.agent.export.wire import LOW, SMALL, attribute, attributes, field, text, varint
from lineage.agent.links import WriterLink
from lineage.agent.spans import LightSpan, Rare, Template
from lineage.model import semconv

SPAN = b"\x12"
ATTRIBUTE = b"\x4a"
# Whether the parent is remote: whether it is known, and if so, the answer.
HAS_REMOTE, REMOTE = 0x100, 0x200
_FLAGS = struct.Struct("<BBI").pack
_TIMES = struct.Struct("<BQBQ").pack
_HEAD = struct.Struct("<2s16s2s8sBQBQ").pack
_IDS_MASK, _ID_MASK = (1 << 128) - 1, (1 << 64) - 1

_PARTITIONS = [attribute(ATTRIBUTE, semconv.PARTITION, str(number)) for number in range(512)]


class _Integers(dict[int, tuple[bytes, bytes]]):
    """An integer attribute but for the varint's first two bytes, by what stands above the number's low 14 bits.

    Offsets and times move slowly: one entry serves thousands of messages.
    """

    def __init__(self, key: str) -> None:
        super().__init__()
        self._name = field(b"\x0a", key.encode())

    def __missing__(self, high: int) -> tuple[bytes, bytes]:
        if not 0 <= high < 1 << 49:
            raise ValueError(high)
        if len(self) > 4096:
            self.clear()
        tail = varint(high)
        size = 3 + len(tail)
        head = ATTRIBUTE + varint(len(self._name) + 2 + size) + self._name + b"\x12" + varint(size) + b"\x18"
        # A varint may be longer than it needs to be: zero is 80 80 00 here.
        value = self[high] = head, tail
        return value


_OFFSET = _Integers(semconv.OFFSET)
_TIMESTAMP = _Integers(semconv.TIMESTAMP)
_SIZE = _Integers(semconv.BODY_SIZE)
_SLOTS = frozenset((semconv.PARTITION, semconv.OFFSET, semconv.BODY_SIZE, semconv.TIMESTAMP, semconv.KEY))
_KEY_NAME = field(b"\x0a", semconv.KEY.encode()) + b"\x12"
_KEYS = [
    ATTRIBUTE
    + varint(len(_KEY_NAME) + 1 + 1 + len(varint(size)) + size)
    + _KEY_NAME
    + varint(1 + len(varint(size)) + size)
    + b"\x0a"
    + varint(size)
    for size in range(120)
]
"""What stands before a key of that many bytes."""


def _encode(span: LightSpan) -> bytes:
    try:
        body = _plain(span) if span.rare is None or not _replaces(span) else _careful(span)
    except Exception:  # noqa: BLE001 - a hostile value: the careful way, which costs more
        body = _careful(span)
    if span.rare is not None:
        body += _rare(span.rare)
    if span.state:
        body += trace_state(span.state)
    size = len(body)
    return SPAN + (SMALL[size] if size < 16384 else varint(size)) + body


_NAMES = tuple(
    field(b"\x0a", name.encode())
    for name in (semconv.PARTITION, semconv.OFFSET, semconv.BODY_SIZE, semconv.TIMESTAMP, semconv.KEY)
)
encode = native.encoder(LightSpan, Template, _NAMES, _encode)
"""One light span as a field of ``ScopeSpans``; values of a wrong type become text."""


def _replaces(span: LightSpan) -> bool:
    # An attribute must not stand twice.
    names = span.extra.keys() if span.extra else ()
    return bool(names) and not (span.template.attributes.keys().isdisjoint(names) and _SLOTS.isdisjoint(names))


def _plain(span: LightSpan) -> bytes:
    # One join of what is there: the order of fields is free, and calls and copies are what costs.
    head = span.template.encoded
    if head is None:
        head = span.template.encoded = _constant(span.template)
    parts = [
        _HEAD(b"\x0a\x10", span.trace_id, b"\x12\x08", span.span_id, 0x39, span.start_time, 0x41, span.end_time),
        head,
    ]
    if span.parent_id:
        parts += b"\x22\x08", span.parent_id
    if (partition := span.partition) is not None:
        parts.append(_PARTITIONS[partition] if 0 <= partition < 512 else _partition(partition))
    if (number := span.offset) is not None:
        before, after = _OFFSET[number >> 14]
        parts += before, LOW[number & 0x3FFF], after
    if (number := span.size) is not None:
        before, after = _SIZE[number >> 14]
        parts += before, LOW[number & 0x3FFF], after
    if (number := span.timestamp) is not None:
        before, after = _TIMESTAMP[number >> 14]
        parts += before, LOW[number & 0x3FFF], after
    if span.key is not None:
        content = span.key.encode()
        parts += _KEYS[len(content)] if len(content) < 120 else _long_key(content), content
    return b"".join(parts)


def _partition(partition: int) -> bytes:
    return attribute(ATTRIBUTE, semconv.PARTITION, str(partition))


def _long_key(content: bytes) -> bytes:
    value = b"\x0a" + varint(len(content))
    rest = len(value) + len(content)
    return ATTRIBUTE + varint(len(_KEY_NAME) + len(varint(rest)) + rest) + _KEY_NAME + varint(rest) + value


def _constant(template: Template) -> bytes:
    remote = HAS_REMOTE | REMOTE if template.kind is SpanKind.CONSUMER else 0
    return b"".join(
        (
            field(b"\x2a", text(template.name)),
            kind(template.kind),
            # Only what is sampled is exported. A producer's parent may be anywhere; a consumer's is the send.
            flags(1 | remote),
            attributes(ATTRIBUTE, template.attributes),
        )
    )


def _careful(span: LightSpan) -> bytes:
    template = span.template
    extra = span.extra or {}
    known = {name: value for name, value in span.all_attributes().items() if name not in extra}
    return b"".join(
        (
            identity(span.trace_id, span.span_id, span.parent_id),
            times(_whole(span.start_time), _whole(span.end_time)),
            _constant(Template(template.name, template.kind, known)),
        )
    )


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _rare(rare: Rare) -> bytes:
    parts = [attributes(ATTRIBUTE, rare.extra)] if rare.extra else []
    if rare.renamed:
        # Of a field given twice, the later one counts.
        parts.append(field(b"\x2a", text(rare.renamed)))
    if rare.links:
        parts.append(links(rare.links))
    if rare.events:
        parts.append(events(rare.events))
    if rare.status is not None:
        parts.append(status(rare.status))
    return b"".join(parts)


def identity(trace_id: bytes, span_id: bytes, parent_id: bytes) -> bytes:
    """The ids of a span; an empty parent is none."""
    ids = b"\x0a\x10" + trace_id + b"\x12\x08" + span_id
    return ids + b"\x22\x08" + parent_id if parent_id else ids


def as_ids(context: SpanContext) -> tuple[bytes, bytes]:
    """Trace and span id as OTLP writes them; what is too large loses its head."""
    return (context.trace_id & _IDS_MASK).to_bytes(16, "big"), (context.span_id & _ID_MASK).to_bytes(8, "big")


def times(start: int, end: int) -> bytes:
    """Start and end of a span, in nanoseconds since the epoch."""
    return _TIMES(0x39, start & _ID_MASK, 0x41, end & _ID_MASK)


def kind(of: SpanKind) -> bytes:
    """The span kind; OTLP counts from 1 where the API counts from 0."""
    return b"\x30" + varint(of.value + 1)


def flags(bits: int) -> bytes:
    """A span's flags: W3C trace flags and what is known of its parent."""
    return _FLAGS(0x85, 0x01, bits)


def trace_state(state: TraceState) -> bytes:
    """The trace state in its header form."""
    return field(b"\x1a", text(",".join(f"{key}={value}" for key, value in state.items())))


def status(of: Status) -> bytes:
    """A span's status, with its description; nothing if it says nothing."""
    if not of.status_code.value and not of.description:
        return b""
    message = field(b"\x12", text(of.description)) if of.description else b""
    return field(b"\x7a", message + b"\x18" + varint(of.status_code.value))


def events(of: Iterable[Event]) -> bytes:
    """The events of a span."""
    return b"".join(field(b"\x5a", _event(event)) for event in of)


def _event(event: Event) -> bytes:
    time = b"\x09" + struct.pack("<Q", _whole(event.timestamp) & _ID_MASK)
    dropped = b"\x20" + varint(event.dropped_attributes) if event.dropped_attributes else b""
    return time + field(b"\x12", text(event.name)) + attributes(b"\x1a", event.attributes) + dropped


def links(of: Iterable[Link]) -> bytes:
    """The links of a span."""
    return b"".join([writer_link(link) if link.__class__ is WriterLink else _link(link) for link in of])


def _link(link: Link) -> bytes:
    context: SpanContext = link.context
    trace_id, span_id = as_ids(context)
    remote = HAS_REMOTE | REMOTE if context.is_remote else HAS_REMOTE
    body = b"\x0a\x10%b\x12\x08%b\x35%b" % (
        trace_id,
        span_id,
        (int(context.trace_flags) & 0xFF | remote).to_bytes(4, "little"),
    )
    if context.trace_state:
        body += trace_state(context.trace_state)
    if link.attributes:
        body += attributes(b"\x22", link.attributes)
    if link.dropped_attributes:
        body += b"\x28" + varint(link.dropped_attributes)
    return b"\x6a" + varint(len(body)) + body
