"""What is kept beside a state value: it comes back as it was, and nothing else ever passes for it."""

from __future__ import annotations

import base64
import json
import struct
from datetime import datetime
from typing import Any
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lineage.model.changelog import TEXT_LIMIT, format_writer, parse_writer
from lineage.model.contributors import ENDS, Contributors
from lineage.model.records import RecordRef
from lineage.model.writers import LIMIT, Writer, pack, unpack

trace_ids = st.binary(min_size=16, max_size=16).filter(any)
span_ids = st.binary(min_size=8, max_size=8).filter(any)
topics = st.text(st.characters(codec="utf-8"), min_size=1, max_size=16)

WRITER = Writer(b"t" * 16, b"s" * 8, True, "orders", 2, 77, "AAAAAAAAAAAAAAAAAAAAAQ")


@st.composite
def writers(draw: st.DrawFn, *, fan_in: bool = True) -> Writer:
    """Any writer, with or without a record and contributors."""
    writer = Writer(draw(trace_ids), draw(span_ids), draw(st.booleans()))
    if draw(st.booleans()):
        places = draw(topics), draw(st.integers(0, 9999)), draw(st.integers(0, 2**53)), draw(st.none() | topics)
        writer = writer._replace(topic=places[0], partition=places[1], offset=places[2], cluster=places[3])
    if fan_in and draw(st.booleans()):
        writer = fanned(writer, draw(st.integers(1, 40)))
    return writer


def fanned(writer: Writer, count: int) -> Writer:
    before = None
    for number in range(count):
        offset = writer.offset + (writer.topic is not None)
        made = writer._replace(span_id=(number + 1).to_bytes(8, "big"), offset=offset)
        writer = made.contributing(before)
        before = writer.contributors
    return writer


@given(writers(), st.binary())
def test_what_was_kept_comes_back(writer: Writer, value: bytes) -> None:
    """Beside its own value, twice as well as once."""
    packed = pack(writer, value)
    assert unpack(packed, value) == unpack(packed, value) == writer
    assert len(packed) <= LIMIT


@given(writers(), st.binary(), st.binary())
def test_another_value_has_no_writer(writer: Writer, value: bytes, other: bytes) -> None:
    """It was changed by someone without an agent."""
    packed = pack(writer, value)
    assert (unpack(packed, other) is None) == (crc32(value) != crc32(other))


@given(st.binary(max_size=120), st.binary(max_size=40))
@example(b"", b"")
@example(pack(WRITER, b"")[:-1], b"")
def test_no_bytes_do_harm(packed: bytes, value: bytes) -> None:
    """Whatever lies there: a writer, or none."""
    hostile = struct.pack(">BI", 1, crc32(value)) + packed
    for data in (packed, hostile, pack(WRITER, value)[:33] + packed):
        assert unpack(data, value) is None or isinstance(unpack(data, value), Writer)


@pytest.mark.parametrize("what", [None, 1, "text", bytearray(50), memoryview(b"1")])
def test_what_are_no_bytes_is_no_writer(what: Any) -> None:
    """A library may keep anything in its stores."""
    assert unpack(what, b"") is None


def test_what_a_later_version_adds_is_skipped() -> None:
    """An unknown field, between those that are known."""
    packed = pack(WRITER, b"value")
    unknown = struct.pack(">BH", 200, 3) + b"new"
    assert unpack(packed + unknown, b"value") == WRITER
    assert unpack(packed[:33] + unknown + packed[33:], b"value") == WRITER
    assert unpack(b"\x02" + packed[1:], b"value") is None


def test_it_never_takes_more_than_a_kilobyte() -> None:
    """The longest topic name and the most contributors: fewer ids, but the span, the count and some ranges."""
    writer = fanned(WRITER._replace(topic="t" * 249), 100)
    back = unpack(pack(writer, b"value"), b"value")
    assert back is not None
    assert back.contributors is not None
    assert back.contributors.total == 100
    assert back.contributors.ranges
    assert 20 < len(list(back.contributors.ids())) < 2 * ENDS
    assert len(pack(writer, b"value")) <= LIMIT


def test_headers_are_kept_as_far_as_there_is_room() -> None:
    """Those that readers hand on; a large one is left out."""
    writer = WRITER._replace(headers=(("tenant", b"blue"), ("huge", b"x" * 2000), ("user", b"\x00\xff")))
    back = unpack(pack(writer, b"value"), b"value")
    assert back is not None
    assert back.headers == (("tenant", b"blue"), ("user", b"\x00\xff"))


def test_the_record_is_that_which_was_handled() -> None:
    """Or none."""
    assert WRITER.record == RecordRef("orders", 2, 77, "AAAAAAAAAAAAAAAAAAAAAQ")
    assert Writer(b"t" * 16, b"s" * 8).record is None


@given(writers(fan_in=False))
def test_the_header_comes_back(writer: Writer) -> None:
    """The same, as text; what is too long is missing, but never the span."""
    text = format_writer(writer)
    back = parse_writer(text)
    assert back is not None
    assert back[:3] == writer[:3]
    assert back.record in {writer.record, None, writer._replace(cluster=None).record}
    assert len(text) <= TEXT_LIMIT
    assert text.isascii()
    assert text.decode().isprintable()


def test_the_header_counts_contributors() -> None:
    """It names the last of them; whoever replays a changelog knows more with each record."""
    known, replayed = None, Contributors()
    for count in range(3, 41, 3):
        known = fanned(WRITER, count).contributors
        back = parse_writer(format_writer(fanned(WRITER, count)))
        assert known is not None
        assert back is not None
        assert back.contributors is not None
        assert (back.contributors.total, back.contributors.ranges) == (count, known.ranges)
        assert set(back.contributors.ids()) == set(list(known.ids())[-3:])
        replayed = back.contributors.replayed(replayed)
    assert known is not None
    assert list(replayed.ids()) == list(known.ids())


@given(writers())
def test_connect_does_not_take_the_header_for_something_else(writer: Writer) -> None:
    """No number, no JSON, no date."""
    text = format_writer(writer).decode()
    for parse in (float, json.loads, datetime.fromisoformat):
        with pytest.raises(ValueError, match=r"."):
            parse(text)


@pytest.mark.parametrize("relayed", [lambda t: t.decode(), lambda t: b'"' + t + b'"', base64.b64encode, bytearray])
def test_the_header_is_read_whatever_a_relay_made_of_it(relayed: Any) -> None:
    """Text, quoted, or base64."""
    assert parse_writer(relayed(format_writer(WRITER))) == WRITER


@given(st.binary(max_size=300) | st.text(max_size=300) | st.none() | st.integers())
@example(b"lineage-writer=1;s=" + b"0" * 32 + b"-" + b"0" * 16)
@example(b"lineage-writer=1;s=" + b"1" * 32 + b"-" + b"1" * 16 + b";t=x;p=1;o=" + b"9" * 40)
@example(b"lineage-writer=1;s=" + b"1" * 32 + b"-" + b"1" * 16 + b";n=3;r=1.2")
def test_no_header_does_harm(value: Any) -> None:
    """None of these is ours."""
    assert parse_writer(value) is None


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_a_header_that_begins_as_ours_does_no_harm(rest: str) -> None:
    """A writer, or none."""
    found = parse_writer(f"lineage-writer=1;s={'1' * 32}-{'2' * 16};{rest}")
    assert found is None or found.trace_id == b"\x11" * 16
