"""One event's trace as a tree of text. Pure functions: rows in any order give the same tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lineage.model import semconv
from lineage.views import style
from lineage.views.rows import LinkRow, Row
from lineage.views.style import Column, Plain

HEADINGS = ("SPAN", "SERVICE", "RECORD", "START", "TOOK", "WAITED")
_NARROWED = (("SERVICE", 14), ("SPAN", 24), ("SERVICE", 8))
"""What may be narrowed, in turn, and how far."""
_DEEPEST = 36
_RIGHT = frozenset(("START", "TOOK", "WAITED"))


@dataclass(frozen=True, slots=True)
class Node:
    """A span with what it led to, earliest first."""

    row: Row
    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A span as it is printed: ``branch`` draws its place in the tree, ``below`` leads the notes under it."""

    row: Row
    branch: str
    below: str
    parent: Row | None


def traces(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each trace, the trace that began first in front."""
    ordered = sorted(set(rows), key=_order)
    grouped: dict[str, list[Row]] = {}
    for row in ordered:
        grouped.setdefault(row.trace_id, []).append(row)
    return grouped


def forest(rows: Iterable[Row]) -> tuple[Node, ...]:
    """The trees of one trace. A span whose parent is not there is a root; in a circle of parents the earliest is."""
    by_id: dict[str, Row] = {}
    children: dict[str, list[Row]] = {}
    for row in sorted(rows, key=_order):
        if row.span_id not in by_id:
            by_id[row.span_id] = row
            children.setdefault(row.parent_id, []).append(row)
    seen: set[str] = set()
    roots = [row for row in by_id.values() if row.parent_id not in by_id]
    nodes = [_grow(row, children, seen) for row in roots]
    nodes += [_grow(row, children, seen) for row in by_id.values() if row.span_id not in seen]
    return tuple(sorted(nodes, key=lambda node: _order(node.row)))


def _order(row: Row) -> tuple[int, str, str, int, str]:
    return row.start, row.span_id, row.parent_id, row.end, row.name


def _grow(root: Row, children: Mapping[str, list[Row]], seen: set[str]) -> Node:
    """The tree under a root, without recursion: a long pipeline is deeper than Python's stack."""
    seen.add(root.span_id)
    inner: list[tuple[Row, list[Row]]] = []
    todo = [root]
    while todo:
        row = todo.pop()
        below = [child for child in children.get(row.span_id, ()) if child.span_id not in seen]
        seen.update(child.span_id for child in below)
        inner.append((row, below))
        todo += below
    grown: dict[str, Node] = {}
    for row, below in reversed(inner):
        grown[row.span_id] = Node(row, tuple(grown[child.span_id] for child in below))
    return grown[root.span_id]


def render(rows: Iterable[Row], trace_id: str = "", width: int = 80, paint: style.Paint | None = None) -> str:
    """Every trace, or the one whose id begins so, as text for a terminal of this width."""
    grouped = traces(rows)
    places = {(row.trace_id, row.span_id): row for each in grouped.values() for row in each}
    chosen = [each for name, each in grouped.items() if name.startswith(trace_id)]
    return "\n".join(_trace(each, places, width, paint or Plain()) for each in chosen)


def _trace(rows: Sequence[Row], places: Mapping[tuple[str, str], Row], width: int, paint: style.Paint) -> str:
    start = min(row.start for row in rows)
    lines = [line for root in forest(rows) for line in _lines(root)]
    columns = _fitted(
        [Column(heading, heading in _RIGHT, [_cell(heading, line, start) for line in lines]) for heading in HEADINGS],
        width,
    )
    table = [paint.heading(_joined(columns, [column.heading for column in columns]))]
    for number, line in enumerate(lines):
        cells = _joined(columns, [column.cells[number] for column in columns])
        table.append(paint.error(cells) if line.row.error else cells)
        table += [paint.note(f"{_folded(line.below)}{note}") for note in _notes(line.row, places)]
    return "\n".join([paint.title(_title(rows, start)), *table, ""])


def _title(rows: Sequence[Row], start: int) -> str:
    services = len({row.service for row in rows})
    took = style.duration(max(row.end for row in rows) - start)
    return f"trace {rows[0].trace_id}  {len(rows)} spans, {services} services, {took}"


def _lines(root: Node) -> Iterator[Line]:
    """Depth first, with the branches drawn."""
    todo: list[tuple[Node, str, str, Row | None]] = [(root, "", "", None)]
    while todo:
        node, branch, below, parent = todo.pop()
        yield Line(node.row, branch, below + ("│  " if node.children else "   "), parent)
        last = len(node.children) - 1
        drawn = [
            (
                child,
                below + ("└─ " if number == last else "├─ "),
                below + ("   " if number == last else "│  "),
                node.row,
            )
            for number, child in enumerate(node.children)
        ]
        todo += reversed(drawn)


def _cell(heading: str, line: Line, start: int) -> str:
    row = line.row
    if heading == "SPAN":
        return _folded(line.branch) + row.name
    if heading == "SERVICE":
        return row.service
    if heading == "RECORD":
        return f"{row.record.partition}/{row.record.offset}" if row.record else ""
    if heading == "START":
        return "+" + style.duration(row.start - start)
    if heading == "TOOK":
        return style.duration(row.end - row.start)
    waited = waiting_time(row, line.parent)
    return "" if waited is None else style.duration(waited)


def _folded(branch: str) -> str:
    """So that a name far down in a long pipeline can be read."""
    return branch if len(branch) <= _DEEPEST else "…" + branch[1 - _DEEPEST :]


def waiting_time(row: Row, parent: Row | None) -> int | None:
    """How long a record lay before it was handled: since its send ended, or its timestamp if that was known late."""
    if not row.is_process:
        return None
    stamp = row.attributes.get(semconv.TIMESTAMP)
    candidates = [parent.end] if parent is not None and parent.is_send else []
    candidates += [int(stamp) * 1_000_000] if stamp is not None else []
    waited = [row.start - since for since in candidates]
    return next((each for each in waited if each >= 0), 0) if waited else None


def _notes(row: Row, places: Mapping[tuple[str, str], Row]) -> Iterator[str]:
    if row.error:
        yield f"!! {row.error}"
    if row.attributes.get(semconv.DELIVERY) == semconv.OUTCOME_UNKNOWN:
        yield "?? no delivery report: whether it was stored is not known"
    for link in row.links:
        yield f"<- also {_linked(link, places)}" + (f" ({link.role})" if link.role else "")


def _linked(link: LinkRow, places: Mapping[tuple[str, str], Row]) -> str:
    row = places.get((link.trace_id, link.span_id))
    if row is None:
        return f"span {link.span_id} of trace {link.trace_id}"
    return str(row.record or f"{row.name} of {row.service}")


def _fitted(columns: Sequence[Column], width: int) -> list[Column]:
    """Narrow the two columns of free text until the table fits, as far as that leaves them readable."""
    kept = {column.heading: column for column in columns if any(column.cells)}
    for heading, least in _NARROWED:
        excess = sum(column.width + 2 for column in kept.values()) - 2 - width
        if excess > 0 and heading in kept:
            kept[heading] = kept[heading].cut(max(least, kept[heading].width - excess))
    return list(kept.values())


def _joined(columns: Sequence[Column], cells: Sequence[str]) -> str:
    padded = (
        cell.rjust(column.width) if column.right else cell.ljust(column.width)
        for column, cell in zip(columns, cells, strict=True)
    )
    return "  ".join(padded).rstrip()
