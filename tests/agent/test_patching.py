"""Patches on a small library made for the purpose: a module with a class, a subclass elsewhere, and functions."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lineage.agent import patching
from lineage.agent.patching import Patch

LIBRARY = """
class Client:
    def send(self): return "sent"
    @staticmethod
    def version(): return "1"
    @classmethod
    def make(cls): return cls()
class Special(Client): pass
def connect(): return "connected"
"""


def subclass(original: type) -> type:
    return type(original.__name__, (original,), {"__slots__": (), "traced": True})


def loud(original: Any) -> Any:
    def louder(*args: Any) -> Any:
        return original(*args).upper()

    return louder


CLIENT = Patch("fakelib", "Client", subclass)
CONNECT = Patch("fakelib", "connect", loud)
SEND = Patch("fakelib", "Client.send", loud)


@pytest.fixture(autouse=True)
def _library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "fakelib.py").write_text(LIBRARY)
    (tmp_path / "fakeapp.py").write_text("from fakelib import Client, connect\nclass Mine(Client): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    patching.undo([status.patch for status in patching.statuses()])
    for registry in (patching._statuses, patching._places, patching._hooked, patching._complained):
        registry.clear()
    for name in ("fakelib", "fakeapp"):
        sys.modules.pop(name, None)


def load(name: str = "fakelib") -> Any:
    return importlib.import_module(name)


def test_a_patch_waits_for_its_library() -> None:
    """Applying imports nothing; the import finds the replacement."""
    patching.apply([CLIENT])
    assert "fakelib" not in sys.modules
    assert patching.status(CLIENT).state == patching.WAITING
    assert load("fakeapp").Client.traced
    assert patching.status(CLIENT).state == patching.APPLIED


def test_a_waiting_patch_can_be_called_off() -> None:
    """Undone before the import, it never comes."""
    patching.apply([CLIENT])
    patching.undo([CLIENT])
    assert not hasattr(load().Client, "traced")
    assert patching.status(CLIENT).state == patching.OFF


@pytest.mark.parametrize("patch", [CLIENT, CONNECT, SEND], ids=lambda patch: patch.name)
@pytest.mark.parametrize("operations", ["AU", "AAU", "AUU", "AUAU", "AUUAAU", "UAU"])
def test_undo_gives_back_the_very_same_object(patch: Patch, operations: str) -> None:
    """However often it went on and off."""
    library = load()
    owner = library.Client if "." in patch.name else library
    before = vars(owner)[patch.name.split(".")[-1]]
    for operation in operations:
        (patching.apply if operation == "A" else patching.undo)([patch])
    assert vars(owner)[patch.name.split(".")[-1]] is before


@pytest.mark.parametrize("operations", ["A", "AA", "AUA", "AUAA", "AUUA", "UA"])
def test_one_layer_is_on_at_the_end(operations: str) -> None:
    """Twice applied is once applied."""
    library = load()
    original = library.Client
    for operation in operations:
        (patching.apply if operation == "A" else patching.undo)([CLIENT])
    assert library.Client.__bases__ == (original,)


def test_names_bound_before_are_reached_too() -> None:
    """An application that imported first gets the replacement, also beneath its own subclass."""
    app, library = load("fakeapp"), load()
    original = library.Client
    patching.apply([CLIENT, CONNECT])
    assert app.Client is library.Client
    assert app.Mine.__bases__ == (library.Client,)
    assert library.Special().traced
    assert app.connect() == "CONNECTED"
    patching.undo([CLIENT, CONNECT])
    assert app.Client is library.Client is original
    assert app.Mine.__bases__ == (original,)
    assert app.connect() == "connected"


def test_names_bound_under_the_agent_are_given_back() -> None:
    """Undoing reaches whoever imported the replacement."""
    patching.apply([CLIENT])
    app = load("fakeapp")
    patching.undo([CLIENT])
    assert app.Client is load().Client
    assert not hasattr(app.Mine, "traced")


def test_a_wrapper_put_on_after_ours_survives() -> None:
    """It is not ours to remove, and ours is not put on top of it a second time."""
    library = load()
    patching.apply([CONNECT])
    ours = library.connect

    def theirs() -> str:
        return ours()

    library.connect = theirs
    patching.undo([CONNECT])
    patching.apply([CONNECT])
    assert library.connect is theirs
    library.connect = ours
    patching.undo([CONNECT])
    assert library.connect() == "connected"


def test_a_class_put_on_after_ours_loses_only_our_layer() -> None:
    """A subclass of the replacement stays, and becomes one of the original."""
    library = load()
    patching.apply([CLIENT])
    theirs = library.Client = type("Theirs", (library.Client,), {})
    patching.undo([CLIENT])
    assert library.Client is theirs
    assert not hasattr(theirs, "traced")
    patching.apply([CLIENT])
    assert library.Client is theirs
    assert theirs.traced


def test_an_unreachable_subclass_is_reported() -> None:
    """What could not be rebased is named."""
    library = load()
    library.Slotted = type("Slotted", (library.Client,), {})
    with_slots = Patch("fakelib", "Client", lambda original: type("Fat", (original,), {"__slots__": ("more",)}))
    patching.apply([with_slots])
    assert "Slotted" in patching.status(with_slots).reason


def test_static_and_class_methods_stay_what_they_are() -> None:
    """A wrapper of the plain function, of the same kind."""
    library = load()
    patching.apply(
        [
            Patch("fakelib", "Client.version", loud),
            Patch("fakelib", "Client.make", lambda make: lambda cls: [make(cls)]),
        ]
    )
    assert library.Client.version() == "1"
    assert isinstance(vars(library.Client)["version"], staticmethod)
    assert type(library.Special.make()[0]) is library.Special


def test_an_inherited_method_is_inherited_again() -> None:
    """Patched on the subclass, undone there without a trace."""
    library = load()
    inherited = Patch("fakelib", "Special.send", loud)
    patching.apply([inherited])
    assert (library.Special().send(), library.Client().send()) == ("SENT", "sent")
    patching.undo([inherited])
    assert "send" not in vars(library.Special)


def test_a_failing_wrap_leaves_the_library_alone(caplog: pytest.LogCaptureFixture) -> None:
    """The import succeeds, the reason is kept, one line is logged."""
    broken = Patch("fakelib", "Client", lambda original: 1 / 0)
    with caplog.at_level(logging.WARNING, "lineage"):
        patching.apply([broken])
        library = load()
        patching.apply([broken])
    assert library.Client().send() == "sent"
    assert patching.status(broken) == patching.Status(broken, patching.FAILED, "ZeroDivisionError: division by zero")
    assert len(caplog.records) == 1


def test_what_a_version_lacks_is_a_failure_unless_optional() -> None:
    """Other versions of a library have other names."""
    load()
    patching.apply([Patch("fakelib", "Nothing", loud), Patch("fakelib", "Client.nothing", loud, optional=True)])
    assert [status.state for status in patching.statuses()] == [patching.FAILED, patching.ABSENT]


def test_a_disabled_patch_is_off_and_says_why() -> None:
    """As `lineage doctor` shows."""
    patching.apply([CLIENT])
    patching.disable([CLIENT], "because")
    load()
    assert patching.status(CLIENT) == patching.Status(CLIENT, patching.DISABLED, "because")
    assert not hasattr(load().Client, "traced")
