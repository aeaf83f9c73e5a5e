"""rocksdict: who wrote what is read, kept beside a database that stays what it was."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.memory import World

from lineage.agent import patching
from lineage.agent.beside import traced
from lineage.agent.patches.rocksdict import PATCHES, batches

rocksdict = pytest.importorskip("rocksdict")
Rdict, WriteBatch, AccessType = rocksdict.Rdict, rocksdict.WriteBatch, rocksdict.AccessType


@pytest.fixture
def patched(world: World) -> Iterator[World]:
    patching.apply(PATCHES)
    yield world
    patching.undo(PATCHES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "totals"


def told(world: World) -> list[tuple[str, Any, int]]:
    """Name, rows and number of links of the state spans since the last time."""
    spans = [span for span in world.spans if "db.system.name" in span.attributes]
    world.spans.clear()
    return [(span.name, span.attributes.get("db.response.returned_rows"), len(span.links)) for span in spans]


def written(path: Path, key: Any = b"k", value: Any = b"v") -> None:
    """By an event, in a database that is closed again."""
    with Rdict(str(path)) as db:
        db[key] = value


def without(path: Path, code: str) -> None:
    """Do this to the database in a process without the agent."""
    script = f"import sys; from rocksdict import Rdict; db = Rdict(sys.argv[1]); {code}; db.close()"
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, timeout=60)


@pytest.mark.parametrize("key", ["k", b"k", 1, 1.5, True, 2**70])
@pytest.mark.parametrize("value", ["v", b"v", 7, 1.5, True, {"n": [1, 2]}, None])
def test_a_read_links_to_the_last_write(patched: World, path: Path, key: Any, value: Any) -> None:
    """Whatever the types, the next event sees who wrote, also after a restart."""
    patched.receive()
    db = Rdict(str(path))
    db[key] = "before"
    db[key] = value
    put = patched.spans[-1]
    patched.receive()
    assert db[key] == value
    get = patched.spans[-1]
    assert (put.name, get.name, get.attributes["db.system.name"]) == ("put totals", "get totals", "rocksdb")
    assert [link.context.span_id for link in get.links] == [int.from_bytes(put.span_id, "big")]
    db.close()
    db = Rdict(str(path))
    assert db.get(key) == value
    assert [link.context.span_id for link in patched.spans[-1].links] == [int.from_bytes(put.span_id, "big")]
    db.close()


def test_every_operation_is_a_span(patched: World, path: Path) -> None:
    """What was found is told by the number of rows."""
    patched.receive()
    with Rdict(str(path)) as db:
        db["a"], db["b"] = 1, 2
        db.put("c", 3)
        assert ("a" in db, "z" in db) == (True, False)
        assert (db.get("a"), db.get("z"), db.get("z", 5), db.get("a", 1)) == (1, None, 5, 1)
        assert db.get(["a", "z", "b"]) == [1, None, 2]
        assert db[["a", "b"]] == [1, 2]
        assert list(db.items()) == [("a", 1), ("b", 2), ("c", 3)]
        assert list(db.values(backwards=True)) == [3, 2, 1]
        del db["a"]
        db.delete("b")
        db.delete_range("a", "z")
        with pytest.raises(KeyError):
            db["c"]
    assert told(patched) == [
        *[("put totals", None, 0)] * 3,
        ("exists totals", 1, 0),
        ("exists totals", 0, 0),
        ("get totals", 1, 1),
        ("get totals", 0, 0),
        ("get totals", 0, 0),
        ("get totals", 1, 1),
        ("scan totals", 2, 2),
        ("scan totals", 2, 2),
        ("scan totals", 3, 3),
        ("scan totals", 3, 3),
        *[("delete totals", None, 0)] * 3,
        ("get totals", 0, 0),
    ]


def test_a_batch_is_one_write(patched: World, path: Path) -> None:
    """Its span wrote all of its keys; what was undone within it is not written."""
    patched.receive()
    db = Rdict(str(path))
    db["old"] = 1
    batch = WriteBatch()
    batch["a"] = 1
    batch.put("b", 2)
    batch["c"] = 3
    del batch["c"]
    batch.delete("old")
    told(patched)
    db.write(batch)
    assert [name for name, _, _ in told(patched)] == ["put totals", "delete totals"]
    assert (db["a"], db["b"], db.get("c"), db.get("old")) == (1, 2, None, None)
    assert told(patched) == [*[("get totals", 1, 1)] * 2, *[("get totals", 0, 0)] * 2]
    assert batches.taken(batch) == {}
    db.close()


def test_column_families_are_stores(patched: World, path: Path) -> None:
    """Each with its own keys, in a namespace of the database's name; through handles, too."""
    patched.receive()
    db = Rdict(str(path))
    counts = db.create_column_family("counts")
    counts["k"], db["k"] = 1, 2
    assert counts["k"] == 1
    assert patched.spans[-1].attributes["db.namespace"] == "totals"
    batch = WriteBatch()
    batch.put("x", 1, db.get_column_family_handle("counts"))
    batch.set_default_column_family(db.get_column_family_handle("counts"))
    batch["y"] = 2
    db.write(batch)
    again = db.get_column_family("counts")
    told(patched)
    assert (again["x"], again["y"], db["k"]) == (1, 2, 2)
    assert told(patched) == [*[("get counts", 1, 1)] * 2, ("get totals", 1, 1)]
    db.drop_column_family("counts")
    db.close()
    assert Rdict.list_cf(str(path)) == ["default"]


@pytest.mark.parametrize("raw", [True, False])
def test_what_is_changed_without_the_agent_has_no_writer(patched: World, path: Path, raw: bool) -> None:
    """And what is not still has one; the database opens without the agent as ever."""
    options = rocksdict.Options(raw_mode=raw)
    patched.receive()
    with Rdict(str(path), options) as db:
        db[b"k"] = b"v"
        db[b"same"] = b"v"
    without(path, "assert (db[b'k'], db[b'same']) == (b'v', b'v'); assert len(list(db.keys())) == 2; db[b'k'] = b'w'")
    told(patched)
    with Rdict(str(path), options) as db:
        assert (db[b"k"], db[b"same"]) == (b"w", b"v")
    assert told(patched) == [("get totals", 1, 0), ("get totals", 1, 1)]


def test_what_is_written_outside_of_any_event_has_no_writer(patched: World, path: Path) -> None:
    """Not even the one that it had before."""
    patched.receive()
    written(path)
    patched.ask()
    written(path)
    patched.receive()
    with Rdict(str(path)) as db:
        told(patched)
        assert db[b"k"] == b"v"
    assert told(patched) == [("get totals", 1, 0)]


@pytest.mark.parametrize("gone", [shutil.rmtree, Rdict.destroy])
def test_a_database_of_the_same_name_knows_nothing_of_the_old_one(patched: World, path: Path, gone: Any) -> None:
    """Not even if somebody without the agent writes the same into it."""
    patched.receive()
    written(path)
    gone(str(path))
    without(path, "db[b'k'] = b'v'")
    with Rdict(str(path)) as db:
        told(patched)
        assert db[b"k"] == b"v"
    assert told(patched) == [("get totals", 1, 0)]


def test_what_an_older_database_left_behind_is_not_believed(patched: World, path: Path) -> None:
    """Without the agent `destroy` leaves our directory; the new database has another identity."""
    patched.receive()
    written(path)
    patching.undo(PATCHES)
    Rdict.destroy(str(path))
    assert [each.name for each in path.iterdir()] == [".lineage"]
    written(path)
    patching.apply(PATCHES)
    told(patched)
    db = Rdict(str(path))
    assert db[b"k"] == b"v"
    db[b"other"] = b"v"
    assert (db[b"k"], db[b"other"]) == (b"v", b"v")
    assert [links for _, _, links in told(patched)] == [0, 0, 0, 1]
    db.close()


def test_destroy_leaves_nothing_behind(patched: World, path: Path) -> None:
    """As without the agent."""
    patched.receive()
    written(path)
    assert (path / ".lineage").is_dir()
    Rdict.destroy(str(path))
    assert list(path.parent.iterdir()) == []


def test_who_uses_no_state_in_an_event_has_no_sidecar(patched: World, path: Path) -> None:
    """Nothing is opened before it is needed."""
    written(path)
    patched.receive()
    with Rdict(str(path)) as db:
        assert db[b"k"] == b"v"
    assert not (path / ".lineage").exists()


def test_readers_do_not_lock_out_the_writer(patched: World, path: Path, tmp_path: Path) -> None:
    """Read-only and secondary instances link to what was written before they looked."""
    patched.receive()
    db = Rdict(str(path))
    db[b"k"] = b"v"
    script = """
import sys; from support.memory import World; from lineage.agent import patching
from lineage.agent.patches.rocksdict import PATCHES; from rocksdict import Rdict, AccessType
patching.apply(PATCHES); world = World(); world.receive()
for access in (AccessType.read_only(), AccessType.secondary(sys.argv[2])):
    reader = Rdict(sys.argv[1], access_type=access)
    reader.get(b"k"), reader.get(b"missing"), reader.get(b"k")
    print(*(len(span.links) for span in world.spans)); world.spans.clear()
    reader.close()
"""
    command = [sys.executable, "-c", script, str(path), str(tmp_path / "secondary")]
    tests = str(Path(__file__).parent.parent)
    done = subprocess.run(command, env={"PYTHONPATH": tests}, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("1 0 1\n1 0 1\n", "")
    db[b"k"] = b"w"
    assert db[b"k"] == b"w"
    assert len(patched.spans[-1].links) == 1
    db.close()


@pytest.mark.parametrize("library", ["quixstreams.state.rocksdb.partition", "faust.stores.rocksdb"])
def test_stores_of_libraries_are_left_alone(patched: World, path: Path, library: str) -> None:
    """Those who open databases by themselves have patches of their own."""
    names = {"__name__": library, "Rdict": Rdict, "WriteBatch": WriteBatch, "path": str(path)}
    patched.receive()
    code = "db = Rdict(path); db['k'] = 1; batch = WriteBatch(); batch['b'] = 2; db.write(batch); db['k']; db.close()"
    exec(code, names)
    assert told(patched) == []
    assert not (path / ".lineage").exists()


def test_errors_are_the_librarys_own(patched: World, path: Path) -> None:
    """The very same types and texts, and a span that says so."""
    patched.receive()
    db = Rdict(str(path))
    for use in (lambda: db[None], lambda: db.put(None, 1), lambda: db.delete(None), lambda: None in db):
        with pytest.raises(Exception, match="Only support"):
            use()
    assert [span.attributes["error.type"] for span in patched.spans] == ["Exception"] * 4
    patched.spans.clear()
    db.close()
    with pytest.raises(rocksdict.DbClosedError):
        db["k"]
    assert id(db) not in traced


def test_a_sidecar_that_fails_harms_nobody(patched: World, path: Path, swallowed: list[Exception]) -> None:
    """The application's own work is done; the value has no writer."""
    patched.receive()
    db = Rdict(str(path))
    (path / ".lineage").write_text("in the way")
    db["k"] = 1
    assert db["k"] == 1
    assert swallowed
    db.close()


def test_a_killed_process_leaves_true_writers(patched: World, path: Path) -> None:
    """Nothing need be closed or flushed."""
    script = """
import os, sys; from support.memory import World; from lineage.agent import patching
from lineage.agent.patches.rocksdict import PATCHES; from rocksdict import Rdict
patching.apply(PATCHES); world = World(); world.receive(); db = Rdict(sys.argv[1])
for key in range(100): db[key] = key
print(*(span.span_id.hex() for span in world.spans), flush=True); os.kill(os.getpid(), 9)
"""
    tests = str(Path(__file__).parent.parent)
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, env={"PYTHONPATH": tests}, capture_output=True, text=True, timeout=60, check=False)
    patched.receive()
    with Rdict(str(path)) as db:
        assert [db[key] for key in range(100)] == list(range(100))
    assert [f"{link.context.span_id:016x}" for span in patched.spans for link in span.links] == done.stdout.split()


def test_a_database_that_was_never_closed_can_be_opened_again(patched: World, path: Path) -> None:
    """As long as nobody holds it."""
    patched.receive()
    db = Rdict(str(path))
    db["k"] = 1
    del db
    db = Rdict(str(path))
    assert db["k"] == 1
    assert len(patched.spans[-1].links) == 1
    db.close()
