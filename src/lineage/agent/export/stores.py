"""Links to the writers of state values -> OTLP, without the objects that others would see."""

from __future__ import annotations

from functools import lru_cache

from lineage.agent.export.wire import attribute, field, varint
from lineage.agent.links import WriterLink
from lineage.model import semconv

_LINK = b"\x6a"
_ATTRIBUTE = b"\x22"
# Sampled or not; the linked span may be another process's.
_FLAGS = {True: (0x301).to_bytes(4, "little"), False: (0x300).to_bytes(4, "little")}

_NAME = field(b"\x0a", semconv.OFFSET.encode())
# What stands before an offset whose value takes that many bytes.
_OFFSETS = [_ATTRIBUTE + varint(len(_NAME) + 2 + size) + _NAME for size in range(12)]


def writer_link(link: WriterLink) -> bytes:
    """One link of a span."""
    trace_id, span_id, sampled, topic, partition, offset = link.writer[:6]
    head = b"\x0a\x10%b\x12\x08%b\x35%b" % (trace_id, span_id, _FLAGS[bool(sampled)])
    if topic is None:
        return field(_LINK, head + attribute(_ATTRIBUTE, semconv.ROLE, link.role))
    number = varint(offset)
    size = len(number) + 1
    where = _where(link.role, topic, partition)
    return field(_LINK, b"%b%b%b\x12%c\x18%b" % (head, where, _OFFSETS[size], size, number))


@lru_cache(maxsize=4096)
def _where(role: str, topic: str, partition: int) -> bytes:
    """What links to records of one partition have in common."""
    named = ((semconv.ROLE, role), (semconv.DESTINATION, topic), (semconv.PARTITION, str(partition)))
    return b"".join(attribute(_ATTRIBUTE, name, value) for name, value in named)
