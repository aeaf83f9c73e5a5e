"""Protobuf by hand: the few forms that OTLP needs, with the frequent ones precomputed.

Nothing here raises on a strange value: it is replaced by a text, as a span with a blemish beats no span.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

_MASK = (1 << 64) - 1
_DEEPEST = 8
_CACHED_TEXT = 64


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_LAST = [bytes((number,)) for number in range(0x80)]
_MORE = [bytes((number | 0x80,)) for number in range(0x80)]
SMALL = _LAST + [low + high for high in _LAST[1:] for low in _MORE]
"""The varints of one and two bytes, which are nearly all lengths."""
LOW = [low + high for high in _MORE for low in _MORE]
"""The low 14 bits of a longer varint."""
# Offsets and times move slowly: what lies above their low 14 bits is the same for thousands of messages.
_high = lru_cache(maxsize=4096)(_varint)
_double = struct.Struct("<d").pack


def varint(number: int) -> bytes:
    """A 64-bit integer in base 128; negative ones as two's complement."""
    if 0 <= number < 1 << 14:
        return SMALL[number]
    number &= _MASK
    return LOW[number & 0x3FFF] + _high(number >> 14)


def field(tag: bytes, content: bytes) -> bytes:
    """A length-delimited field; `tag` is its encoded number and wire type."""
    return tag + varint(len(content)) + content


def text(value: Any) -> bytes:
    """UTF-8, whatever it takes: lone surrogates become question marks."""
    if not isinstance(value, str):
        value = _shown(value)
    try:
        return value.encode()  # type: ignore[no-any-return]
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")  # type: ignore[no-any-return]


def _shown(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a user's __str__ may do anything, and a span must not be lost to it
        return f"<{type(value).__name__}>"


def any_value(value: Any, depth: int = 0) -> bytes:
    """The content of an ``AnyValue``; integers beyond 64 bits and unknown types become text."""
    if isinstance(value, str):
        return field(b"\x0a", text(value))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + varint(value) if -(1 << 63) <= value < 1 << 63 else field(b"\x0a", text(value))
    if isinstance(value, float):
        return b"\x21" + _double(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return field(b"\x3a", bytes(value))
    return b"" if value is None else _composite(value, depth + 1)


def _composite(value: Any, depth: int) -> bytes:
    if depth <= _DEEPEST and isinstance(value, Mapping):
        pairs = (field(b"\x0a", _pair(key, item, depth)) for key, item in value.items())
        return field(b"\x32", b"".join(pairs))
    if depth <= _DEEPEST and isinstance(value, (Sequence, set, frozenset)):
        return field(b"\x2a", b"".join(field(b"\x0a", any_value(item, depth)) for item in value))
    return field(b"\x0a", text(value))


def _pair(key: Any, value: Any, depth: int = 0) -> bytes:
    return field(b"\x0a", text(key)) + field(b"\x12", any_value(value, depth))


@lru_cache(maxsize=2048)
def _text_attribute(tag: bytes, key: str, value: str) -> bytes:
    return field(tag, _pair(key, value))


def attributes(tag: bytes, values: Mapping[str, Any] | None) -> bytes:
    """One ``KeyValue`` field for each; `tag` is the attribute field of the message they stand in."""
    if not values:
        return b""
    return b"".join([attribute(tag, key, value) for key, value in values.items()])


def attribute(tag: bytes, key: str, value: Any) -> bytes:
    """A ``KeyValue`` field. Short texts, such as the roles of links, come from a cache."""
    if type(value) is str and len(value) <= _CACHED_TEXT and type(key) is str:
        return _text_attribute(tag, key, value)
    return field(tag, _pair(key, value))
