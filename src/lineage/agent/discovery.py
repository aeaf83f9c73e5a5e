"""Find the patch modules: a new one needs no entry anywhere."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from lineage.agent import patches
from lineage.agent.patching import Patch


def modules() -> Iterator[ModuleType]:
    """Every patch module, those for OpenTelemetry's own first: what these did must be taken back before ours is on."""
    names = sorted((each.name for each in pkgutil.iter_modules(patches.__path__)), key=_order)
    for name in names:
        module = importlib.import_module(f"{patches.__name__}.{name}")
        if hasattr(module, "PATCHES"):
            yield module


def _order(name: str) -> tuple[bool, str]:
    return not name.startswith("opentelemetry"), name


def discover() -> tuple[Patch, ...]:
    """Every patch there is, in the order in which to apply them."""
    return tuple(patch for module in modules() for patch in module.PATCHES)
