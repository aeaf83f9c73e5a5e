"""How things look on a terminal: colours, durations, columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TextIO

_MICROSECOND, _MILLISECOND, _SECOND = 1_000, 1_000_000, 1_000_000_000


class Paint(Protocol):
    """Gives each kind of text its colour, or none."""

    def title(self, text: str) -> str: ...
    def heading(self, text: str) -> str: ...
    def error(self, text: str) -> str: ...
    def note(self, text: str) -> str: ...


class Plain:
    """No colours."""

    def title(self, text: str) -> str:
        """As it is."""
        return text

    heading = error = note = title


class Colours:
    """ANSI colours."""

    def title(self, text: str) -> str:
        """What a table is about."""
        return f"\x1b[1m{text}\x1b[0m"

    def heading(self, text: str) -> str:
        """The names of columns."""
        return f"\x1b[2m{text}\x1b[0m"

    def error(self, text: str) -> str:
        """What went wrong."""
        return f"\x1b[31m{text}\x1b[0m"

    def note(self, text: str) -> str:
        """What stands under a line."""
        return f"\x1b[36m{text}\x1b[0m"


def paint_for(stream: TextIO, env: Mapping[str, str]) -> Paint:
    """Colours on a terminal, unless NO_COLOR is set."""
    return Colours() if stream.isatty() and not env.get("NO_COLOR") and env.get("TERM") != "dumb" else Plain()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    heading: str
    right: bool
    cells: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        """Of the longest cell."""
        return max(map(len, (self.heading, *self.cells)))

    def cut(self, width: int) -> Column:
        """The same, no wider than this."""
        return Column(self.heading, self.right, [cut(cell, width) for cell in self.cells])


def cut(text: str, width: int) -> str:
    """At most this many characters; an ellipsis shows that there were more."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def duration(nanoseconds: int) -> str:
    """A time span with three digits or so."""
    sign, nanoseconds = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if nanoseconds < _MILLISECOND:
        return f"{sign}{nanoseconds / _MICROSECOND:.0f}us" if nanoseconds else "0"
    if nanoseconds < _SECOND:
        milliseconds = nanoseconds / _MILLISECOND
        return f"{sign}{milliseconds:.{1 if milliseconds < 100 else 0}f}ms"
    if nanoseconds < 120 * _SECOND:
        return f"{sign}{nanoseconds / _SECOND:.2f}s"
    minutes, seconds = divmod(nanoseconds // _SECOND, 60)
    return f"{sign}{minutes}m{seconds:02}s" if minutes < 120 else f"{sign}{minutes // 60}h{minutes % 60:02}m"
