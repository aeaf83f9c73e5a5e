"""The text of the headers: whatever arrives, nothing raises; what is ours comes back as it was."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lineage.model import headers
from lineage.model.headers import parse_lineage, parse_progress, parse_traceparent
from lineage.model.records import Entry, SpanRef

trace_ids = st.binary(min_size=16, max_size=16).filter(any)
span_ids = st.binary(min_size=8, max_size=8).filter(any)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
clusters = st.none() | names
times = st.integers(0, 2**62)
IDS = b"4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
PARENT = headers.format_traceparent(IDS, True)


@st.composite
def written(draw: st.DrawFn) -> tuple[headers.LineageContext, bytes]:
    """A context and its header."""
    topic, cluster, producer = draw(names), draw(clusters), draw(names)
    entry, hops, sequence = (
        Entry(draw(names), draw(times), draw(clusters)),
        draw(st.integers(0, 999)),
        draw(st.integers(1, 10**12)),
    )
    trace_id, span_id = draw(trace_ids), draw(span_ids)
    constant = headers.constant_part(topic, cluster, producer)
    fields = headers.format_entry(headers.entry_place(entry.topic, entry.cluster), entry.time)
    context = headers.LineageContext(SpanRef(trace_id, span_id), topic, entry, hops, cluster, producer, sequence)
    return context, headers.format_lineage(headers.format_ids(trace_id, span_id), constant, sequence, hops, fields)


values: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.integers(), st.binary(max_size=200), st.text(max_size=200), st.builds(bytearray, st.binary())
)
broken = st.builds(lambda one, at, more: one[1][:at] + more, written(), st.integers(0, 300), st.binary(max_size=20))


@given(values | broken)
@example(memoryview(b"x")[0:0])
@example(b"lineage=1;s=" + b"x" * 10_000)
@example(b"lineage=1;s=0-0;t=;p=;n=;h=-;e=;et=")
def test_no_value_raises(value: Any) -> None:
    """Readers accept anything."""
    parse_traceparent(value)
    parse_lineage(value)
    parse_progress(value)


@given(trace_ids, span_ids, st.booleans())
def test_a_traceparent_comes_back(trace_id: bytes, span_id: bytes, sampled: bool) -> None:
    """Written and read."""
    assert parse_traceparent(headers.format_traceparent(headers.format_ids(trace_id, span_id), sampled)) == (
        trace_id,
        span_id,
        sampled,
        None,
    )


@given(written())
def test_a_lineage_header_comes_back(both: tuple[headers.LineageContext, bytes]) -> None:
    """Written and read, topics and clusters of any characters."""
    context, value = both
    assert parse_lineage(value) == context


@given(written())
def test_progress_is_what_the_header_says(both: tuple[headers.LineageContext, bytes]) -> None:
    """The short way through a header reads what the long one reads, the first time and later."""
    context, value = both
    said = parse_progress(value)
    assert said is not None
    assert (said[0], said[2]) == (context.hops, context.entry.time)
    assert value.endswith(said[1])
    assert parse_progress(value) == said


@given(written())
def test_a_header_is_text_that_no_converter_retypes(both: tuple[headers.LineageContext, bytes]) -> None:
    """Printable ASCII; neither a number, JSON nor a date."""
    text = both[1].decode("ascii")
    assert text.isprintable()
    for retype in (float, json.loads, datetime.fromisoformat):
        with pytest.raises(ValueError):  # noqa: PT011  # each says it in its own words
            retype(text)


@given(written(), st.sampled_from(["base64", "quoted", "str", "spaces"]))
def test_what_relays_make_of_a_header_is_read(both: tuple[headers.LineageContext, bytes], how: str) -> None:
    """Kafka Connect turns bytes into base64, or quotes them."""
    assert parse_lineage(mangled(both[1], how)) == both[0]
    assert parse_traceparent(mangled(PARENT, how)) == parse_traceparent(PARENT)


def mangled(value: bytes, how: str) -> bytes | str:
    ways = {
        "base64": base64.b64encode(value),
        "quoted": b'"%b"' % value,
        "str": value.decode(),
        "spaces": b" %b\t" % value,
    }
    return ways[how]  # type: ignore[return-value]


@given(written(), st.text("abcxyz", min_size=3), st.integers(2, 99))
def test_unknown_fields_and_versions_are_read(
    both: tuple[headers.LineageContext, bytes], name: str, version: int
) -> None:
    """A later agent may say more, in another order."""
    first, *rest = both[1].decode().split(";")
    text = ";".join([f"lineage={version}", f"{name}=1", *reversed(rest)])
    assert first == "lineage=1"
    assert parse_lineage(text.encode()) == both[0]


@pytest.mark.parametrize(
    "value",
    [
        b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01",
        PARENT[:36] + b"0" * 16 + b"-01",
        b"ff" + PARENT[2:],
        PARENT + b"-more",
        PARENT[:-1],
        PARENT.replace(b"-", b"_"),
        b"00-" + b"z" * 52,
    ],
)
def test_what_names_no_span_is_none(value: bytes) -> None:
    """Zero ids, version ff, a version 00 with more in it, cut or garbled."""
    assert parse_traceparent(value) is None


def test_a_later_version_may_say_more() -> None:
    """W3C: parse what you know of a higher version."""
    assert parse_traceparent(b"01" + PARENT[2:] + b"-more") == parse_traceparent(PARENT)


LINE = b"lineage=1;s=%032x-%016x;t=a;p=b;n=1;h=2;e=18f;et=a" % (1, 2)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"h=2", b"h=-2"), (b"h=2", b"h=1_0"), (b"h=2", b"h= 2"), (b"e=18f", b"e=-18f"), (b"e=18f", b"e=0x18")],
)
def test_only_plain_numbers_are_read(old: bytes, new: bytes) -> None:
    """What int() reads beyond digits nobody wrote: such a header is not ours."""
    assert parse_lineage(LINE) is not None
    assert parse_progress(LINE) is not None
    assert parse_lineage(LINE.replace(old, new)) is None
    assert parse_progress(LINE.replace(old, new)) is None


@pytest.mark.parametrize("span", [b"1-2", b"0x" + b"1" * 30 + b"-" + b"2" * 16, b"0" * 32 + b"-" + b"2" * 16])
def test_only_whole_span_ids_are_read(span: bytes) -> None:
    """A span is named by 32 and 16 hexadecimal digits."""
    assert parse_lineage(LINE.replace(b"%032x-%016x" % (1, 2), span)) is None


def test_a_users_header_of_that_name_is_not_ours() -> None:
    """It is the user's, and stays."""
    assert not headers.is_lineage(b"lineage=mine")
    assert headers.is_lineage(LINE)
