"""What to call a service that its operator gave no name: ``unknown_service:python`` tells nobody anything."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from os.path import basename, dirname, splitext

INHERITED = "LINEAGE_PARENT_SERVICE"
"""Handed to children, whose own command (``python -c "from multiprocessing..."``) names nothing."""


def service_name(argv: Sequence[str], original: Sequence[str], inherited: str | None = None) -> str | None:
    """The script's or module's name. ``argv`` is sys.argv, ``original`` sys.orig_argv."""
    if not argv or not argv[0] or argv[0] == "-c":
        return inherited
    if argv[0] == "-m":
        return _of_module(original[-len(argv)].removeprefix("-m")) or inherited
    return _of_path(argv[0])


def running_module() -> str | None:
    """The module that ``python -m`` runs, once it runs."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return _of_module(spec.name) if spec is not None else None


def _of_module(name: str) -> str:
    return name.removesuffix(".__main__")


def _of_path(path: str) -> str:
    # Without pathlib, which would be imported for this alone.
    folder, stem = basename(dirname(path)), splitext(basename(path))[0]  # noqa: PTH119, PTH120, PTH122
    return folder or stem if stem == "__main__" else stem
