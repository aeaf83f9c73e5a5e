"""Names for the things lineage is about: records, spans, and what one has to do with the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

ROLE_INPUT = "input"
"""The linked message certainly is a cause."""

ROLE_BATCH = "batch"
"""The linked message was in the batch that was being handled: it may be a cause."""

ROLE_ENCLOSING = "enclosing"
"""The linked span was open around the consumer's loop: no cause, but useful to see."""

ROLE_CONTINUED = "continued"
"""The linked span ends an older trace, which grew too long or too old to be continued."""


ROLE_STATE = "state"
"""The linked span wrote the value that was read."""


@dataclass(frozen=True, slots=True)
class RecordRef:
    """One Kafka record: where it lies."""

    topic: str
    partition: int
    offset: int
    cluster: str | None = None

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class SpanRef(NamedTuple):
    """One span of one trace, as W3C Trace Context names it; ``state`` is its tracestate as the tracing library has it.

    Ids are 16 and 8 bytes, as on the wire: nobody here calculates with them. A tuple, as one is made for every message: a frozen
    dataclass takes three times as long.
    """

    trace_id: bytes
    span_id: bytes
    sampled: bool = True
    state: Any = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Where and when an event entered the traced world.

    ``time`` is in milliseconds since the epoch; ``cluster`` is None while the first producer had not learnt it.
    """

    topic: str
    time: int
    cluster: str | None = None
