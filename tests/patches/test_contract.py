"""What every patch module owes to the library that it patches. A new module is found and held to it by itself."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from lineage.agent import discovery, patching
from lineage.agent.patching import Patch

MODULES = list(discovery.modules())
OPERATIONS = {"apply": "patching.apply(PATCHES)", "undo": "patching.undo(PATCHES)", "import": "load()"}

# Runs in a process of its own, where nothing is imported yet: {body} is a permutation of importing and patching.
SCRIPT = """
import importlib, sys
from lineage.agent import patching
from {module} import PATCHES
libraries = sorted({{patch.module for patch in PATCHES}})
roots = {{name.partition('.')[0] for name in libraries}} - {{'opentelemetry', *sys.stdlib_module_names}}
missing = set()
assert not roots & set(sys.modules), 'importing the patch module imported the library'
def load():
    for name in libraries:
        try: importlib.import_module(name)
        except ModuleNotFoundError: missing.add(name)
{body}
load()
for patch in PATCHES:
    status = patching.status(patch)
    expected = (patching.APPLIED, patching.ABSENT) if {on} else (patching.OFF,)
    if {on} and patch.module in missing: expected = (patching.WAITING,)
    assert status.state in expected and not status.reason, status
"""


def installed(module: ModuleType) -> bool:
    roots = {patch.module.partition(".")[0] for patch in module.PATCHES}
    # A library that was imported may have put something without a spec in its place.
    return all(root in sys.modules or importlib.util.find_spec(root) for root in roots)


def target(patch: Patch) -> Any:
    """What the attribute holds, as its owner's dict has it."""
    try:
        owner: Any = importlib.import_module(patch.module)
    except ModuleNotFoundError:
        return None  # not in this version
    *path, name = patch.name.split(".")
    for part in path:
        owner = getattr(owner, part)
    return vars(owner).get(name)


def targets(module: ModuleType) -> list[Any]:
    return [target(patch) for patch in module.PATCHES]


@pytest.fixture(params=MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def module(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """A patch module whose library is at hand, left without a trace."""
    if not installed(request.param):
        pytest.skip("the library is not installed")
    before = targets(request.param)
    yield request.param
    patching.undo(request.param.PATCHES)
    assert all(now is then for now, then in zip(targets(request.param), before, strict=True)), "a patch is left"


def test_undo_restores_identity(module: ModuleType) -> None:
    """Undoing gives back the very same objects."""
    before = targets(module)
    patching.apply(module.PATCHES)
    changed = [now is not then for now, then in zip(targets(module), before, strict=True)]
    assert changed == [patching.status(patch).state == patching.APPLIED for patch in module.PATCHES]
    patching.undo(module.PATCHES)
    assert all(now is then for now, then in zip(targets(module), before, strict=True))


@pytest.mark.parametrize("operations", ["AA", "AUA", "AUAA", "AAUA", "UA", "AUUA", "AUUAUA"])
def test_any_sequence_ends_once_patched(module: ModuleType, operations: str) -> None:
    """However often applied and undone, one layer is on at the end: the same as after one application."""
    patching.apply(module.PATCHES)
    once = targets(module)
    patching.undo(module.PATCHES)
    for operation in operations:
        (patching.apply if operation == "A" else patching.undo)(module.PATCHES)
    assert all(now is then for now, then in zip(targets(module), once, strict=True))


def test_later_wrappers_survive(module: ModuleType) -> None:
    """A class put on after ours stays when ours goes."""
    patching.apply(module.PATCHES)
    for patch in module.PATCHES:
        ours = target(patch)
        if "." in patch.name or not isinstance(ours, type):
            continue
        owner = importlib.import_module(patch.module)
        theirs = type(ours)("Theirs", (ours,), {})
        setattr(owner, patch.name, theirs)
        patching.undo([patch])
        assert getattr(owner, patch.name) is theirs
        setattr(owner, patch.name, ours)


def permutations() -> Iterator[tuple[str, ...]]:
    for length in (1, 2, 3):
        yield from (each for each in itertools.product(OPERATIONS, repeat=length) if "apply" in each)


@pytest.mark.parametrize("patch_module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_import_and_patch_in_any_order(patch_module: ModuleType) -> None:
    """Each permutation in its own process; at the end the patch is on or off as the last operation said."""
    if not installed(patch_module):
        pytest.skip("the library is not installed")
    scripts = {order: script(patch_module, order) for order in permutations()}
    failed = {order: error for order, text in scripts.items() if (error := run(text))}
    assert not failed, "\n".join(f"{' '.join(order)}: {error}" for order, error in failed.items())


def script(patch_module: ModuleType, order: tuple[str, ...]) -> str:
    on = next(operation for operation in reversed(order) if operation != "import") == "apply"
    return SCRIPT.format(module=patch_module.__name__, body="\n".join(OPERATIONS[each] for each in order), on=on)


def run(text: str) -> str:
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False)
    return ended.stderr if ended.returncode else ""
