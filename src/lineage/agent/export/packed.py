"""Encoded spans on their way, compressed if they wait."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field


class Packed:
    """Compressed bytes with the length of what they stand for; ``bytes()`` of it gives that back.

    Spans shrink to an eighth: so much more of them fits while the receiver takes its time, for 2 us each.
    """

    __slots__ = ("_length", "packed")

    def __init__(self, content: bytes) -> None:
        self._length = len(content)
        self.packed = zlib.compress(content, 1)

    def __len__(self) -> int:
        return self._length

    def __bytes__(self) -> bytes:
        return zlib.decompress(self.packed)


Part = bytes | Packed
"""A piece of a request."""


@dataclass(slots=True)
class Chunk:
    """Encoded spans by encoded scope, on their way. `numbers` are those of the takings it came from.

    `size` is that of the request, `held` what it takes in memory.
    """

    numbers: list[int]
    scopes: dict[bytes, list[Part]] = field(default_factory=dict)
    count: int = 0
    size: int = 0
    held: int = 0

    def put(self, scope: bytes, encoded: Part) -> None:
        """Append one span, or several that are joined."""
        self.scopes.setdefault(scope, []).append(encoded)
        self.size += len(encoded)
        self.held += len(encoded.packed if isinstance(encoded, Packed) else encoded)

    def merge(self, other: Chunk) -> None:
        """Take over another chunk's spans."""
        for scope, parts in other.scopes.items():
            self.scopes.setdefault(scope, []).extend(parts)
        self.numbers += other.numbers
        self.count += other.count
        self.size += other.size
        self.held += other.held
