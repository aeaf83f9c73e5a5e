from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from processes import python

from lineage.agent import imports
from lineage.agent.imports import when_imported


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with a module."""
    package = tmp_path / "hooked"
    package.mkdir()
    (package / "__init__.py").write_text("value = 1")
    (package / "inner.py").write_text("from hooked import value")
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    imports._waiting.clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "hooked"]:
        del sys.modules[name]


def test_callbacks_come_once_and_in_order() -> None:
    """When the module is whole."""
    calls: list[object] = []
    when_imported("hooked", lambda module: calls.append(module.value))
    when_imported("hooked", calls.append)
    when_imported("hooked.inner", lambda module: calls.append(module.__name__))
    module = importlib.import_module("hooked.inner")
    importlib.reload(module)
    importlib.reload(sys.modules["hooked"])
    assert calls == [1, sys.modules["hooked"], "hooked.inner"]


def test_the_module_is_what_it_is_without_us(library: Path) -> None:
    """Its loader and specification are the real ones, also while it is being executed."""
    (library / "__init__.py").write_text("loaders = __loader__, __spec__.loader")
    when_imported("hooked", lambda _: None)
    module = importlib.import_module("hooked")
    assert {type(loader) for loader in (*module.loaders, module.__loader__, module.__spec__.loader)} == {
        SourceFileLoader
    }


def test_a_failed_import_is_the_applications(library: Path) -> None:
    """And the next one counts."""
    calls: list[ModuleType] = []
    when_imported("hooked", calls.append)
    (library / "__init__.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        importlib.import_module("hooked")
    (library / "__init__.py").write_text("value = 10")
    assert calls == []
    assert [importlib.import_module("hooked")] == calls


def test_what_is_not_there_is_not_found() -> None:
    """By nobody."""
    when_imported("not_there_at_all", lambda _: None)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("not_there_at_all")


@pytest.mark.parametrize("hooks", [("ours", "theirs"), ("theirs", "ours")])
def test_hooks_of_others_work_too(hooks: tuple[str, str], library: Path) -> None:
    """Those of wrapt ask everybody else, as ours do, whoever came first."""
    code = """
import importlib, wrapt
from lineage.agent.imports import when_imported
def ours(): when_imported("hooked.inner", lambda _: print("ours"))
def theirs(): wrapt.register_post_import_hook(lambda _: print("theirs"), "hooked.inner")
"""
    calls = "".join(f"{hook}()\n" for hook in hooks)
    show = "print(type(importlib.import_module('hooked.inner').__spec__.loader).__name__)"
    printed = python(code + calls + show, PYTHONPATH=str(library.parent)).split()
    assert sorted(printed) == ["SourceFileLoader", "ours", "theirs"]
