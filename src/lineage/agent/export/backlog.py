"""What waits to be exported: light spans one by one as they are encoded, all others as they are, then chunks of both.

Light spans are bounded by number, as each is about half a kilobyte; all others by an estimate of their bytes.
Chunks count until the receiver has answered for them.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Condition, RLock
from time import monotonic
from typing import Any, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan

from lineage.agent.export.encode import encode
from lineage.agent.export.packed import Chunk, Packed
from lineage.agent.export.sdk import LIGHT_SCOPE, encode_readable, encode_scope
from lineage.agent.spans import LightSpan

_log = logging.getLogger("lineage")

AnySpan = LightSpan | ReadableSpan


class Limits(NamedTuple):
    """How much is kept, and how it is sent. Sizes in bytes, times in seconds."""

    spans: int = 8192
    batch: int = 4096
    delay: float = 1.0
    objects_size: int = 6 << 20
    encoded_size: int = 22 << 20
    request_size: int = 3 << 20
    senders: int = 8
    exit: float = 2.0


class Backlog:
    """The two lanes of ended spans, and the chunks made from them. Lanes need no lock, the rest has one."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.light: deque[bytes] = deque()
        self.heavy: deque[tuple[AnySpan, int]] = deque()
        self.observe: Callable[[AnySpan], None] | None = None
        self.unencodable = 0
        self.held = 0
        self._chunks: deque[Chunk] = deque()
        self._heavy_size = 0
        self._outstanding: set[int] = set()
        self._number = 0
        self._taken = 0
        self._under_way = 0
        # Reentrant: a signal handler may end a span while this very thread holds it.
        self._changed = Condition(RLock())

    def put_heavy(self, span: AnySpan) -> bool:
        """Keep a span that may be large; whether there was room."""
        weight = weigh(span)
        with self._changed:
            if self._heavy_size + weight > self.limits.objects_size:
                return False
            self._heavy_size += weight
            self.heavy.append((span, weight))
        return True

    def has_room(self) -> bool:
        """Whether another chunk may be made."""
        return self.held < self.limits.encoded_size

    def is_empty(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not (self.light or self.heavy or self._outstanding)

    def waiting(self) -> int:
        """Ended spans that are in no chunk yet."""
        return len(self.light) + len(self.heavy)

    def is_enough(self) -> bool:
        """Whether what waits is worth a request."""
        return self.waiting() >= self.limits.batch or self._heavy_size >= self.limits.request_size

    def unsent(self) -> int:
        """Spans that no sender has taken."""
        return self.waiting() + sum(chunk.count for chunk in list(self._chunks))

    def waiting_size(self) -> int:
        """Bytes in chunks that no sender has taken."""
        return sum(chunk.size for chunk in list(self._chunks))

    def waiting_requests(self, count: int, size: int) -> int:
        """How many requests of so many spans and bytes these chunks make, or a few more."""
        chunks = list(self._chunks)
        return max(-(-sum(chunk.count for chunk in chunks) // count), -(-sum(chunk.size for chunk in chunks) // size))

    def pack(self, count: int) -> bool:
        """Turn at most so many waiting spans into a chunk; whether there were any."""
        with self._changed:
            self._number += 1
            chunk = Chunk([self._number])
            heavy = self._take_heavy(count)
            light = self._take_light(count - len(heavy))
            taken = len(heavy) + len(light)
            self._taken += taken
            self._under_way += taken
            self._outstanding.add(self._number)
        try:
            self._fill(chunk, heavy, light)
        finally:
            # Also when an interrupt came in between: nobody must wait for this chunk for ever.
            self._packed(chunk, taken)
        return taken > 0

    def show(self, span: AnySpan) -> None:
        """Let the observer see a span. Never raises."""
        try:
            if self.observe is not None:
                self.observe(span)
        except Exception:  # noqa: BLE001 - it would fail for each span alike, and cost the application its time
            self.observe = None
            _log.warning("durations are not measured any more", exc_info=True)

    def _take_heavy(self, count: int) -> list[AnySpan]:
        spans: list[AnySpan] = []
        weight = 0
        while self.heavy and len(spans) < count and weight < self.limits.request_size:
            span, more = self.heavy.popleft()
            spans.append(span)
            weight += more
        self._heavy_size -= weight
        return spans

    def _take_light(self, count: int) -> list[bytes]:
        take = self.light.popleft
        return [take() for _ in range(min(count, len(self.light)))]

    def _fill(self, chunk: Chunk, heavy: list[AnySpan], light: list[bytes]) -> None:
        for span in heavy:
            try:
                if isinstance(span, LightSpan):
                    chunk.put(LIGHT_SCOPE, encode(span))
                else:
                    chunk.put(encode_scope(span.instrumentation_scope), encode_readable(span))
            except Exception:  # noqa: BLE001 - one span that cannot be written must not take the others along
                self.unencodable += 1
                chunk.count -= 1
        chunk.count += len(heavy) + len(light)
        if light:
            joined = b"".join(light)
            chunk.put(LIGHT_SCOPE, Packed(joined) if self.held > self.limits.request_size else joined)

    def _packed(self, chunk: Chunk, taken: int) -> None:
        with self._changed:
            # Some could not be written.
            self._under_way += chunk.count - taken
            if not chunk.count:
                self._close(chunk)
                return
            self.held += chunk.held
            self._chunks.append(chunk)

    def next_chunk(self, count: int, size: int) -> Chunk | None:
        """The oldest chunks: one chunk, and those after it that fit into the count and size."""
        with self._changed:
            if not self._chunks:
                return None
            chunk = self._chunks.popleft()
            while (
                self._chunks
                and chunk.count + self._chunks[0].count <= count
                and chunk.size + self._chunks[0].size <= size
            ):
                chunk.merge(self._chunks.popleft())
        return chunk

    def done(self, chunk: Chunk) -> None:
        """These spans are exported or given up."""
        with self._changed:
            self.held -= chunk.held
            self._under_way -= chunk.count
            self._close(chunk)

    def _close(self, chunk: Chunk) -> None:
        self._outstanding.difference_update(chunk.numbers)
        self._changed.notify_all()

    def drop_oldest(self) -> int:
        """Make room for new light spans; how many were dropped."""
        with self._changed:
            # Some at a time: in an outage that lasts, each new span would cost a lock otherwise.
            over = len(self.light) - self.limits.spans
            dropped = min(over + self.limits.spans // 16, len(self.light)) if over >= 0 else 0
            for _ in range(dropped):
                self.light.popleft()
            self._taken += dropped
        return dropped

    def drop_all(self) -> int:
        """Forget all that waits; how many they were."""
        with self._changed:
            dropped = self.waiting()
            self.light.clear()
            self.heavy.clear()
            self._heavy_size = 0
            self._taken += dropped
        return dropped

    def wait_for_room(self, seconds: float) -> bool:
        """Wait until a chunk may be made."""
        with self._changed:
            return self._changed.wait_for(self.has_room, seconds)

    def wait(self, deadline: float, hopeless: Callable[[], bool]) -> bool:
        """Wait until all that is here now is done. False at the deadline, or as soon as it is hopeless."""
        with self._changed:
            last = self._taken + self.waiting()
            number: int | None = None
            while not hopeless():
                if number is None and (self._taken >= last or not self.waiting()):
                    number = self._number
                if number is not None and not any(open_one <= number for open_one in self._outstanding):
                    return True
                if (left := deadline - monotonic()) <= 0:
                    return False
                self._changed.wait(min(left, 0.05))
        return False

    def remaining(self) -> int:
        """How many spans are not exported: waiting or under way."""
        return self.waiting() + self._under_way


def weigh(span: AnySpan) -> int:
    """About how many bytes a span takes: generous, as it bounds memory."""
    events = span.events or ()
    weight = 1000 + 500 * len(span.links or ()) + 500 * len(events)
    held: list[Any] = [getattr(span, "attributes", None) or getattr(span, "extra", None) or {}]
    held += [event.attributes or {} for event in events]
    for attributes in held:
        weight += sum(_length(value) for value in attributes.values())
    return weight


def _length(value: Any) -> int:
    return 100 + len(value) * (1 if isinstance(value, (str, bytes)) else 60) if hasattr(value, "__len__") else 100
