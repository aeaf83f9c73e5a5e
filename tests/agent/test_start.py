"""What the agent loads at start, and what it must not: its time is the application's, and a timed test would prove little."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from processes import LINEAGE, python, run

from lineage.agent import installed, loading

SLOW = (
    "asyncio",
    "email",
    "google.protobuf",
    "grpc",
    "hashlib",
    "http.client",
    "importlib.metadata",
    "opentelemetry.exporter",
    "opentelemetry.instrumentation",
    "opentelemetry.sdk._configuration",
    "opentelemetry.sdk.metrics",
    "packaging",
    "pathlib",
    "requests",
    "ssl",
    "urllib3",
    "wrapt",
    "zipfile",
)
NEEDED_BY_NO_LAUNCHER = ("argparse", "dataclasses", "opentelemetry", "pathlib", "shutil", "typing")
LOADED = "import sys; print(*sorted(sys.modules))"
# The distribution of an instrumentation, as pip would install it.
OTHER = """
class Instrumentor:
    def instrument(self, **_): print("other is on")
"""


def _of(names: tuple[str, ...], modules: set[str]) -> set[str]:
    return {name for name in modules if name.startswith(tuple(f"{each}." for each in names)) or name in names}


@pytest.mark.skipif(installed.declares(*loading.GROUPS), reason="other instrumentations are installed")
@pytest.mark.parametrize("exporter", ["otlp", "lineage_file", "none"])
def test_nothing_slow_is_loaded_at_start(exporter: str, tmp_path: Path) -> None:
    """Beyond what Python itself loads here."""
    settings = {"OTEL_TRACES_EXPORTER": exporter, "LINEAGE_FILE_PATH": str(tmp_path / "spans")}
    ours, bare = (set(python(LOADED, *launcher, **settings).split()) for launcher in ((LINEAGE,), ()))
    assert "lineage.agent.recorder" in ours
    assert _of(SLOW, ours - bare) == (_of(("pathlib",), ours) if exporter == "lineage_file" else set())


def test_the_launcher_loads_next_to_nothing() -> None:
    """It is a Python of its own, before the application's."""
    code = "import sys; before = set(sys.modules); import lineage.agent.launcher; print(*set(sys.modules) - before)"
    assert _of(NEEDED_BY_NO_LAUNCHER, set(python(code).split())) == set()


@pytest.fixture
def other(tmp_path: Path) -> dict[str, str]:
    """An environment with another instrumentation."""
    (tmp_path / "other.py").write_text(OTHER)
    metadata = tmp_path / "other-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: other\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[opentelemetry_instrumentor]\nother = other:Instrumentor\n")
    return {"PYTHONPATH": str(tmp_path)}


def test_other_instrumentations_are_loaded(other: dict[str, str]) -> None:
    """If there are any, and they are wanted; ours is on besides."""
    code = "from lineage.agent import recorder; print(recorder.active() is not None)"
    assert python(code, LINEAGE, **other) == "other is on\nTrue"
    assert python(code, LINEAGE, **other, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="other") == "True"
    assert python(code, LINEAGE, **other, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="lineage") == "other is on\nFalse"
    assert python("print(1)", LINEAGE, **other, OTEL_SDK_DISABLED="true") == "1"


def test_what_cannot_be_searched_may_hold_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive, or a finder of distributions; a folder that is not there holds nothing."""
    declared = installed._declared.__wrapped__
    monkeypatch.setattr(sys, "path", [str(tmp_path / "not there"), str(tmp_path), ""])
    monkeypatch.chdir(tmp_path)
    assert declared() == ""
    (tmp_path / "archive.zip").touch()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "path", [str(tmp_path / "archive.zip")])
        assert declared() is None
    finder = type("Finder", (), {"find_distributions": None})
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    assert declared() is None


def test_the_garbage_collector_is_as_it_was() -> None:
    """On, if Python's start left it on; what lasts is kept out of its sight, but only by an agent that is on."""
    code = "import gc; print(gc.isenabled(), gc.get_freeze_count() > 0)"
    assert python(code, LINEAGE) == "True True"
    assert python(code, LINEAGE, OTEL_SDK_DISABLED="true") == "True False"


THREADS = """
import threading
from concurrent.futures import ThreadPoolExecutor
from opentelemetry import context
def here(): return str(context.get_value("who"))
def show(): print(here())
def run(thread): thread.start(); thread.join()
pool = ThreadPoolExecutor(1)
for who in ("first", "second"):
    token = context.attach(context.set_value("who", who))
    run(threading.Thread(target=show)); run(threading.Timer(0, show)); print(pool.submit(here).result())
    context.detach(token)
run(threading.Thread(target=show)); print(pool.submit(here).result())
"""
CARRIED = ["first"] * 3 + ["second"] * 3 + ["None"] * 2


def test_threads_have_the_context_of_who_started_them() -> None:
    """And the work of a pool that of who submitted it."""
    assert python(THREADS, LINEAGE).split() == CARRIED
    assert python(f"import lineage; lineage.instrument(){THREADS}").split() == CARRIED


def test_threads_are_left_alone_if_so_configured() -> None:
    """By OpenTelemetry's name for it."""
    assert python(THREADS, LINEAGE, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="threading").split() == ["None"] * 8
    assert python(f"import lineage; lineage.instrument(); lineage.uninstrument(){THREADS}").split() == ["None"] * 8


def test_opentelemetrys_instrumentation_of_threads_may_be_on_as_well() -> None:
    """An application may switch it on in its code."""
    pytest.importorskip("opentelemetry.instrumentation.threading")
    on = "from opentelemetry.instrumentation.threading import ThreadingInstrumentor\nThreadingInstrumentor().instrument()"
    assert python(on + THREADS, LINEAGE).split() == CARRIED


def test_a_wrong_resource_is_as_with_the_sdk() -> None:
    """What OpenTelemetry says of its own variables, it still says."""
    ended = run(LINEAGE, sys.executable, "-c", "print(1)", OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="nonsense")
    assert ended.stdout == "1\n"
    assert "Failed to load resource detector 'nonsense'" in ended.stderr
