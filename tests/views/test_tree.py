"""Trees of text: the shape, the numbers, and that no order, gap or circle of rows breaks them."""

from __future__ import annotations

import io
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lineage.model import semconv
from lineage.views import rows, style, tree
from lineage.views.rows import LinkRow, Row

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
MS = 1_000_000


def row(span: str, parent: str, name: str, service: str, start: int, end: int, place: str = "", **more: Any) -> Row:
    operation, topic = name.split()
    attributes = {semconv.OPERATION_NAME: operation, semconv.DESTINATION: topic}
    if place:
        partition, offset = place.split("/")
        attributes |= {semconv.PARTITION: partition, semconv.OFFSET: int(offset)}
    return Row(TRACE, span, parent, name, service, start * MS, end * MS, attributes=attributes, **more)


EVENT = [
    row("1", "", "send orders", "shop", 100, 104, "0/17"),
    row("2", "1", "process orders", "enrich", 106, 109, "0/17"),
    row("3", "2", "send priced", "enrich", 107, 109, "1/4"),
    row("4", "3", "process priced", "billing", 110, 1420, "1/4"),
    row("5", "4", "send invoices", "billing", 111, 112, error="_MSG_TIMED_OUT", links=(LinkRow(TRACE, "2", "input"),)),
    row("6", "3", "process priced", "shipping", 1110, 1300, "1/4", links=(LinkRow("ab" * 16, "cd" * 8, "batch"),)),
]

PRINTED = f"""\
trace {TRACE}  6 spans, 4 services, 1.32s
SPAN                         SERVICE   RECORD    START   TOOK  WAITED
send orders                  shop      0/17         +0  4.0ms
└─ process orders            enrich    0/17     +6.0ms  3.0ms   2.0ms
   └─ send priced            enrich    1/4      +7.0ms  2.0ms
      ├─ process priced      billing   1/4     +10.0ms  1.31s   1.0ms
      │  └─ send invoices    billing           +11.0ms  1.0ms
      │        !! _MSG_TIMED_OUT
      │        <- also orders/0/17 (input)
      └─ process priced      shipping  1/4      +1.01s  190ms   1.00s
            <- also span cdcdcdcdcdcdcdcd of trace abababababababababababababababab (batch)
"""


def test_an_event_as_a_tree() -> None:
    """Everything that there is to see."""
    printed = tree.render(EVENT, width=100)
    assert [line.split() for line in printed.splitlines()] == [line.split() for line in PRINTED.splitlines()]


def test_it_fits_the_terminal() -> None:
    """Long names give way first, the numbers stay."""
    wide = [row("1", "", "send " + "very-long-" * 9, "service-" * 5, 0, 4, "0/17")]
    for width in (60, 80, 120):
        lines = tree.render(wide, width=width).splitlines()[1:]
        assert max(map(len, lines)) <= width
        assert lines[1].split()[-3:] == ["0/17", "+0", "4.0ms"]


def test_only_the_trace_asked_for() -> None:
    """By the beginning of its id; nothing if there is none."""
    other = Row("ff" * 16, "1", "", "send t", "x", 0, 1)
    assert "shop" not in tree.render([*EVENT, other], "ff")
    assert tree.render(EVENT, "00") == ""


def test_waiting_counts_from_the_timestamp_if_the_report_came_late() -> None:
    """A delivery report may be served after the record was handled."""
    send, process = row("1", "", "send t", "a", 0, 50), row("2", "1", "process t", "b", 10, 20)
    stamped = Row(**{**fields(process), "attributes": {**process.attributes, semconv.TIMESTAMP: 4}})
    assert tree.waiting_time(stamped, send) == 6 * MS
    assert tree.waiting_time(process, send) == 0
    assert tree.waiting_time(process, None) is None
    assert tree.waiting_time(send, None) is None


def fields(value: Row) -> dict[str, Any]:
    return {name: getattr(value, name) for name in Row.__slots__}


@st.composite
def forests(draw: st.DrawFn) -> list[Row]:
    """Spans of up to two traces; parents may be missing, or form circles."""
    count = draw(st.integers(1, 12))
    names = [f"{number:x}" for number in range(count)]
    return [
        Row(
            draw(st.sampled_from(["aa", "bb"])),
            name,
            draw(st.sampled_from(["", "missing", *names])),
            "send t",
            "s",
            start := draw(st.integers(0, 3)),
            start + 1,
        )
        for name in names
    ]


def walk(nodes: tuple[tree.Node, ...]) -> list[str]:
    return [name for node in nodes for name in (node.row.span_id, *walk(node.children))]


@given(forests().flatmap(lambda spans: st.tuples(st.just(spans), st.permutations([*spans, *spans[:2]]))))
def test_rows_in_any_order_give_the_same_tree(both: tuple[list[Row], list[Row]]) -> None:
    """Shuffled, and some of them twice."""
    ordered, shuffled = both
    assert tree.traces(shuffled) == tree.traces(ordered)
    for name, spans in tree.traces(ordered).items():
        assert tree.forest([each for each in shuffled if each.trace_id == name]) == tree.forest(spans)


@given(forests())
def test_every_span_appears_once(spans: list[Row]) -> None:
    """Orphans and circles too; and whose parent is there, stands under it unless that would close a circle."""
    for group in tree.traces(spans).values():
        assert sorted(walk(tree.forest(group))) == sorted(each.span_id for each in group)
    assert tree.render(spans).count("send t") == len(spans)


def test_a_very_long_pipeline() -> None:
    """Deeper than Python's stack."""
    chain = [Row("aa", str(number), str(number - 1), "send t", "s", number, number + 1) for number in range(3000)]
    assert tree.render(chain).count("send t") == 3000


def test_otlp_json_is_read() -> None:
    """Numbers are text there, and a cut-off last line is left out."""
    span = {
        "traceId": TRACE,
        "spanId": "01",
        "name": "send t",
        "startTimeUnixNano": "5",
        "endTimeUnixNano": "9",
        "attributes": [
            {"key": semconv.DESTINATION, "value": {"stringValue": "t"}},
            {"key": semconv.PARTITION, "value": {"stringValue": "2"}},
            {"key": semconv.OFFSET, "value": {"intValue": "7"}},
            {"key": semconv.ERROR_TYPE, "value": {"stringValue": "_PURGE_QUEUE"}},
            {"key": "list", "value": {"arrayValue": {"values": [{"boolValue": True}]}}},
        ],
        "links": [
            {"traceId": "aa", "spanId": "bb", "attributes": [{"key": semconv.ROLE, "value": {"stringValue": "input"}}]}
        ],
        "status": {"code": 2},
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    line = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]})
    [read] = rows.read([line, "", line[:40]])
    assert (read.service, read.start, read.end, read.error, str(read.record)) == ("shop", 5, 9, "_PURGE_QUEUE", "t/2/7")
    assert (read.links, read.attributes["list"]) == ((LinkRow("aa", "bb", "input"),), [True])


def test_colours_only_on_a_terminal() -> None:
    """And not if the user wants none."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(style.paint_for(Terminal(), {}), style.Colours)
    assert isinstance(style.paint_for(Terminal(), {"NO_COLOR": "1"}), style.Plain)
    assert isinstance(style.paint_for(io.StringIO(), {}), style.Plain)
    assert "\x1b[31m" in tree.render(EVENT, paint=style.Colours())


def test_durations_have_about_three_digits() -> None:
    """From nothing to hours."""
    given = (
        0,
        1_000,
        999_000,
        1_500_000,
        190_000_000,
        1_320_000_000,
        61_000_000_000,
        200_000_000_000,
        9_000_000_000_000,
        -2_000_000,
    )
    assert " ".join(map(style.duration, given)) == "0 1us 999us 1.5ms 190ms 1.32s 61.00s 3m20s 2h30m -2.0ms"
