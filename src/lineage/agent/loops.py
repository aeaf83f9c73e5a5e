"""Which message a running ``for`` loop has in hand.

An application may take a batch apart before it loops: ``sorted(batch)``, ``[m for m in batch if wanted(m)]``, a dict by key. Those
loops go over plain objects that tell nobody where they are. But the interpreter knows: a frame that is within the body of a loop
whose variable is a message is handling that message, and once the loop has ended, it is not.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

_DEPTH = 50
_KNOWN_CODES = 1000


class _Loop(NamedTuple):
    """The body of a loop, in bytecode offsets, and the variables that it assigns at each turn."""

    start: int
    end: int
    names: tuple[str, ...]


def in_hand(find: Callable[[Any], Any]) -> Any:
    """What ``find`` knows of the variable of the innermost running loop in this thread's frames that it knows, or None."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_DEPTH):
        if frame is None:
            return None
        found = next(filter(None, map(find, _variables(frame))), None)
        if found is not None:
            return found
        frame = frame.f_back
    return None


def _variables(frame: FrameType) -> Iterator[Any]:
    at = frame.f_lasti
    for loop in _loops(frame.f_code):
        if loop.start < at < loop.end:
            values = frame.f_locals
            yield from (values[name] for name in loop.names if name in values)


@lru_cache(_KNOWN_CODES)
def _loops(code: CodeType) -> tuple[_Loop, ...]:
    """The loops of a function, inner ones first."""
    instructions = list(dis.get_instructions(code))
    loops = [
        _Loop(instruction.offset, instruction.argval, tuple(_assigned(instructions[index + 1 :])))
        for index, instruction in enumerate(instructions)
        if instruction.opname == "FOR_ITER"
    ]
    return tuple(reversed(loops))


def _assigned(instructions: list[dis.Instruction]) -> Iterator[str]:
    """The names that the head of a loop assigns: one, or several that are unpacked."""
    for instruction in instructions:
        if instruction.opname.startswith("UNPACK_"):
            continue
        if not instruction.opname.startswith("STORE_"):
            return
        # From 3.13 on two instructions may be one: then there are two names, and only stores assign both.
        names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
        yield from names if instruction.opname.count("STORE_") > 1 else names[:1]
