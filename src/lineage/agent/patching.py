"""Replace attributes of libraries, at once or when these are imported, and undo it all to the very same objects."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

from lineage.agent import rebinding
from lineage.agent.imports import when_imported

APPLIED = "applied"
WAITING = "waiting for import"
DISABLED = "disabled"
ABSENT = "not in this version"
FAILED = "failed"
OFF = "off"

_log = logging.getLogger("lineage")


class Patch(NamedTuple):
    """Replace ``module.name`` by ``wrap(original)``.

    ``name`` may be dotted (``Class.method``). ``wrap`` runs once for an original, however often the patch goes on and
    off, so that a subclass made in between stays one. What ``optional`` patches replace is missing in some versions.
    ``instrumentation`` is OpenTelemetry's name for who does the same, where the module does not tell.
    """

    module: str
    name: str
    wrap: Callable[[Any], Any]
    optional: bool = False
    instrumentation: str = ""

    @property
    def title(self) -> str:
        """What a user calls it."""
        return f"{self.module}.{self.name}"


class Status(NamedTuple):
    """What became of a patch; ``reason`` says why it is not on, or what it could not reach."""

    patch: Patch
    state: str
    reason: str = ""


@dataclass(slots=True)
class _Place:
    """Where a patch sits: ``raw`` is what the owner's dict held, or None where the attribute was inherited."""

    owner: Any
    attribute: str
    raw: Any
    replacement: Any


class _MissingError(AttributeError):
    """The library has nothing of that name."""


_statuses: dict[Patch, Status] = {}
_places: dict[Patch, _Place] = {}
_hooked: set[Patch] = set()
_complained: set[Patch] = set()


def apply(patches: Iterable[Patch]) -> None:
    """Put every patch on: at once where its module is loaded, else the moment it is."""
    for patch in patches:
        module = sys.modules.get(patch.module)
        if module is not None:
            _guarded_replace(patch, module)
        else:
            _set(patch, WAITING)
            _hook(patch)


def undo(patches: Iterable[Patch]) -> None:
    """Take every patch off again, and call off those that wait. What others put on top of ours since then stays."""
    for patch in reversed(tuple(patches)):
        _set(patch, OFF)
        place = _places.get(patch)
        if place is not None:
            _restore(place)


def disable(patches: Iterable[Patch], reason: str) -> None:
    """Take patches off and remember why."""
    patches = tuple(patches)
    undo(patches)
    for patch in patches:
        _set(patch, DISABLED, reason)


def statuses() -> list[Status]:
    """What became of every patch so far."""
    return list(_statuses.values())


def status(patch: Patch) -> Status:
    """What became of one patch."""
    return _statuses.get(patch, Status(patch, OFF))


def replacement(original: Any) -> Any:
    """What took the place of this object, or None."""
    return next((place.replacement for place in _places.values() if place.raw is original), None)


def _set(patch: Patch, state: str, reason: str = "") -> None:
    _statuses[patch] = Status(patch, state, reason)


def _hook(patch: Patch) -> None:
    if patch in _hooked:
        return
    _hooked.add(patch)

    def imported(module: ModuleType) -> None:
        _hooked.discard(patch)
        if status(patch).state == WAITING:
            _guarded_replace(patch, module)

    when_imported(patch.module, imported)


def _guarded_replace(patch: Patch, module: ModuleType) -> None:
    # An exception in here would fail the user's import.
    try:
        _replace(patch, module)
    except Exception as error:  # noqa: BLE001 - whatever a wrap raises, the library must work as without it
        _failed(patch, error)


def _failed(patch: Patch, error: Exception) -> None:
    if isinstance(error, _MissingError) and patch.optional:
        _set(patch, ABSENT)
        return
    _set(patch, FAILED, f"{type(error).__name__}: {error}")
    if patch not in _complained:
        _complained.add(patch)
        _log.warning("lineage: %s is not traced, %s: %s", patch.title, type(error).__name__, error)


def _replace(patch: Patch, module: ModuleType) -> None:
    owner, attribute = _owner(module, patch.name)
    place = _places.get(patch)
    if place is None or place.owner is not owner:
        place = _places[patch] = _wrapped(patch, owner, attribute)
    if _current(place) is place.raw:
        setattr(owner, attribute, place.replacement)
    # Names bound by `from library import Class`, and subclasses, made before we came.
    unreached = rebinding.spread(place.raw, place.replacement) if owner is module else []
    _set(patch, APPLIED, f"not reached: {', '.join(unreached)}" if unreached else "")


def _wrapped(patch: Patch, owner: Any, attribute: str) -> _Place:
    raw = vars(owner).get(attribute)
    plain = getattr(owner, attribute)
    if isinstance(raw, (staticmethod, classmethod)):
        return _Place(owner, attribute, raw, type(raw)(patch.wrap(raw.__func__)))
    if raw is None and isinstance(owner, ModuleType):
        raw = plain  # a module that makes its attributes on demand
    return _Place(owner, attribute, raw, patch.wrap(plain))


def _restore(place: _Place) -> None:
    if isinstance(place.owner, ModuleType):
        rebinding.spread(place.replacement, place.raw)
    if _current(place) is not place.replacement:
        return  # wrapped again since: not ours to remove
    if place.raw is None:
        delattr(place.owner, place.attribute)
    else:
        setattr(place.owner, place.attribute, place.raw)


def _current(place: _Place) -> Any:
    return vars(place.owner).get(place.attribute)


def _owner(module: ModuleType, name: str) -> tuple[Any, str]:
    *path, attribute = name.split(".")
    owner: Any = module
    for part in path:
        owner = getattr(owner, part, None)
    if not hasattr(owner, attribute):
        raise _MissingError(f"{module.__name__} has no {name}")
    return owner, attribute
