"""Replace an object everywhere that its library was already imported to.

Missed are instances that exist already, class attributes, default arguments and closures.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any


def spread(original: Any, replacement: Any) -> list[str]:
    """Swap module attributes that are ``original`` and rebase its direct subclasses; say what could not be reached."""
    for names in _namespaces():
        for name, value in list(names.items()):
            if value is original:
                names[name] = replacement
    if isinstance(original, type) and isinstance(replacement, type):
        return list(_rebased(original, replacement))
    return []


def _namespaces() -> Iterator[dict[str, Any]]:
    for title, module in list(sys.modules.items()):
        names = getattr(module, "__dict__", None)
        # Our own modules keep what they were told to keep.
        if isinstance(names, dict) and title.partition(".")[0] != "lineage":
            yield names


def _rebased(original: type, replacement: type) -> Iterator[str]:
    subclasses: list[type] = original.__subclasses__()
    for subclass in subclasses:
        # The replacement itself descends from the original.
        if subclass is replacement:
            continue
        try:
            # Legal for C types as long as the replacement adds no slots of its own.
            subclass.__bases__ = tuple(replacement if base is original else base for base in subclass.__bases__)
        except TypeError as error:
            yield f"{subclass.__module__}.{subclass.__qualname__} ({error})"
