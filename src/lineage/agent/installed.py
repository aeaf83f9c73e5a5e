"""Who else takes part in auto-instrumentation, found out without importlib.metadata.

Importing that, and having it read every installed distribution, takes longer than starting the agent. It is asked only
where distributions may be in places other than folders.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib.machinery import PathFinder

_METADATA = (".dist-info", ".egg-info", "EGG-INFO")
STOOD_IN_FOR = ("opentelemetry_instrumentation_confluent_kafka", "opentelemetry_instrumentation_threading")
"""Instrumentations whose work ours does."""


def declares(*groups: str) -> bool:
    """Whether entry points of these groups are installed, apart from ours and those of what it stands in for.

    In doubt they are: who then loads them all finds out.
    """
    declared = _declared()
    if declared is not None:
        return any(group in declared for group in groups)
    from opentelemetry.util._importlib_metadata import entry_points

    return any(entry_points(group=group) for group in groups)


@cache
def _declared() -> str | None:
    """Their entry points, all together; None if that cannot be told."""
    if any(hasattr(finder, "find_distributions") and finder is not PathFinder for finder in sys.meta_path):
        return None
    try:
        return "".join(text for folder in sys.path for text in _texts(folder or "."))
    except OSError:  # an archive, for example
        return None


def _texts(folder: str) -> Iterator[str]:
    try:
        names = os.listdir(folder)  # noqa: PTH208 - pathlib would have to be imported
    except FileNotFoundError:
        return
    for name in names:
        if name.endswith(_METADATA) and not _is_ours(name):
            yield _read(os.path.join(folder, name, "entry_points.txt"))  # noqa: PTH118 - see above


def _is_ours(name: str) -> bool:
    return name.lower().replace("-", "_").startswith(("lineage_instrument_", *(f"{each}_" for each in STOOD_IN_FOR)))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - see above
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return ""
