"""Markdown: tables, numbers with their spread, and the marked blocks of a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a Markdown table."""
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def spread(numbers: Sequence[float], digits: int = 1) -> str:
    """The median, with the least and the greatest beside it."""
    middle = f"{median(numbers):.{digits}f}"
    return middle if len(numbers) == 1 else f"{middle} ({min(numbers):.{digits}f} to {max(numbers):.{digits}f})"


def met(value: float, limit: float) -> str:
    """Whether a target is met."""
    return "met" if value <= limit else "**not met**"


def insert(page: Path, name: str, lines: Sequence[str]) -> None:
    """Replace what stands between the marks `<!-- name -->` and `<!-- /name -->`."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    text = page.read_text()
    if begin not in text or end not in text:
        raise ValueError(f"{page} has no marks for {name}")
    head, _, rest = text.partition(begin)
    page.write_text(head + begin + "\n".join(lines) + "\n" + end + rest.partition(end)[2])
