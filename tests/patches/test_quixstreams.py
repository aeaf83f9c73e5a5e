"""Quix Streams without a broker: its stores as a dataframe uses them, and its functions as it composes them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.trace import get_current_span
from support.memory import World

from lineage.agent import patching, recorder
from lineage.model.changelog import HEADER, parse_writer

pytestmark = pytest.mark.skipif(importlib.util.find_spec("quixstreams") is None, reason="quixstreams is not installed")


@pytest.fixture(autouse=True)
def _patched() -> Iterator[None]:
    from lineage.agent.patches.quixstreams import PATCHES

    patching.apply(PATCHES)
    yield
    patching.undo(PATCHES)


class Changelog:
    """What a transaction produces its changes with: a producer that keeps them."""

    def __init__(self) -> None:
        self.produced: list[dict[str, Any]] = []

    def produce(self, **record: Any) -> None:
        self.produced.append({**record, "current": get_current_span()})

    def get_partition_producer(self, partition: int) -> Any:
        from quixstreams.state.recovery import ChangelogProducer

        return ChangelogProducer("changelog", partition, self)


@pytest.fixture
def changelog() -> Changelog:
    return Changelog()


def rocksdb(path: Path, changelog: Any = None, name: str = "default", kind: str = "") -> Any:
    """A store with one partition."""
    from quixstreams.state.rocksdb import RocksDBStore
    from quixstreams.state.rocksdb.timestamped import TimestampedStore
    from quixstreams.state.rocksdb.windowed.store import WindowedRocksDBStore

    more = {"grace_ms": 1000, "keep_duplicates": True} if kind == "timestamped" else {}
    cls = {"": RocksDBStore, "timestamped": TimestampedStore, "windowed": WindowedRocksDBStore}[kind]
    store = cls(name=name, stream_id="orders", base_dir=str(path), changelog_producer_factory=changelog, **more)
    store.assign_partition(0)
    return store


def memory() -> Any:
    from quixstreams.state.memory import MemoryStore

    store = MemoryStore(name="default", stream_id="orders")
    store.assign_partition(0)
    return store


def begin(store: Any, timestamp: int = 1000) -> tuple[Any, Any]:
    transaction = store.start_partition_transaction(0)
    return transaction, transaction.as_state(prefix=b"customer", timestamp=timestamp)


def commit(transaction: Any, offset: int | None = None) -> None:
    transaction.prepare({"orders": 1})
    transaction.flush(offset)


def written(world: World, store: Any, value: Any = "value", **more: Any) -> Any:
    """A message writes a value and is committed; gives the span that put it."""
    world.receive()
    transaction, state = begin(store)
    state.set("key", value, **more)
    commit(transaction)
    world.ask()
    return world.spans[-2]


def read(world: World, store: Any, timestamp: int = 1000) -> Any:
    """The next message reads it; gives the span."""
    world.receive()
    begin(store, timestamp)[1].get("key")
    return world.spans[-1]


def linked(span: Any) -> list[bytes]:
    return [link.context.span_id.to_bytes(8, "big") for link in span.links]


@pytest.fixture(params=["rocksdb", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return rocksdb(tmp_path) if request.param == "rocksdb" else memory()


def test_a_read_links_to_who_put_the_value(world: World, store: Any) -> None:
    """Before the transaction is committed, and after."""
    world.receive()
    transaction, state = begin(store)
    state.set("key", 1)
    put = world.spans[-1]
    assert state.get("key") == 1
    assert linked(world.spans[-1]) == [put.span_id]
    commit(transaction)
    get = read(world, store)
    assert (put.name, get.name, linked(get)) == ("put default", "get default", [put.span_id])
    assert get.attributes["db.system.name"] in {"rocksdb", "memory"}
    assert get.attributes["db.namespace"] == "orders"


def test_the_last_one_counts(world: World, store: Any) -> None:
    """Of several writers in several transactions; after a deletion nobody."""
    puts = [written(world, store, value) for value in range(3)]
    assert linked(read(world, store)) == [puts[-1].span_id]
    transaction, state = begin(store)
    state.delete("key")
    assert world.spans[-1].name == "delete default"
    commit(transaction)
    get = read(world, store)
    assert (linked(get), get.attributes["db.response.returned_rows"]) == ([], 0)


def test_questions(world: World, store: Any) -> None:
    """One span each, with the answer."""
    written(world, store)
    world.receive()
    state = begin(store)[1]
    assert (state.exists("key"), state.exists("other")) == (True, False)
    asked = [span for span in world.spans if span.name == "exists default"]
    assert [span.attributes["db.response.returned_rows"] for span in asked] == [1, 0]


def test_a_transaction_that_is_dropped_leaves_no_writer(world: World, store: Any) -> None:
    """The value is the earlier one, and so is its writer."""
    put = written(world, store)
    world.receive()
    begin(store)[1].set("key", "never")
    assert linked(read(world, store)) == [put.span_id]


@pytest.mark.parametrize("ttl", [None, timedelta(hours=1)])
def test_writers_are_on_disk(world: World, tmp_path: Path, ttl: timedelta | None) -> None:
    """In a column family of their own; also where values have a time to live, which stands before them."""
    store = rocksdb(tmp_path)
    put = written(world, store, ttl=ttl)
    assert linked(read(world, store)) == [put.span_id]
    store.close()
    reopened = rocksdb(tmp_path)
    assert linked(read(world, reopened)) == [put.span_id]
    reopened.close()


def test_what_has_expired_was_not_read(world: World, tmp_path: Path) -> None:
    """It lies there still, but nobody sees it."""
    store = rocksdb(tmp_path)
    written(world, store, ttl=timedelta(seconds=1))
    get = read(world, store, timestamp=10_000)
    assert (linked(get), get.attributes["db.response.returned_rows"]) == ([], 0)
    store.close()


def test_state_goes_back_and_forth(world: World, tmp_path: Path) -> None:
    """Written with the agent, read and changed without, read with it: the same values; who changed it is not known."""
    written(world, store := rocksdb(tmp_path), "one")
    store.close()
    recorder.switch.recorder = None
    transaction, state = begin(store := rocksdb(tmp_path))
    assert state.get("key") == "one"
    state.set("key", "two")
    commit(transaction)
    store.close()
    recorder.switch.recorder = world.recorder
    store = rocksdb(tmp_path)
    get = read(world, store)
    assert begin(store)[1].get("key") == "two"
    assert (linked(get), get.attributes["db.response.returned_rows"]) == ([], 1)
    store.close()


def test_what_changed_while_the_agent_was_off_has_no_writer(world: World, store: Any) -> None:
    """In the same process: nothing that is remembered may be believed."""
    written(world, store, "one")
    recorder.switch.recorder = None
    transaction, state = begin(store)
    state.set("key", "two")
    commit(transaction)
    recorder.switch.recorder = world.recorder
    assert linked(read(world, store)) == []


def test_a_change_is_an_effect_of_what_was_put(world: World, tmp_path: Path, changelog: Changelog) -> None:
    """In the changelog, with the writer in a header; the message that happens to be current is not its cause."""
    store = rocksdb(tmp_path, changelog)
    world.receive()
    transaction, state = begin(store)
    state.set("key", "value")
    put = world.spans[-1]
    world.receive()
    state.delete("other")
    transaction.prepare({"orders": 1})
    change, deletion = changelog.produced
    writer = parse_writer(change["headers"][HEADER])
    assert writer is not None
    assert writer.span_id == put.span_id
    assert change["current"].get_span_context().span_id == int.from_bytes(put.span_id, "big")
    assert deletion["value"] is None
    assert HEADER not in deletion["headers"]
    store.close()


class Record:
    """A changelog record that is read again."""

    def __init__(self, produced: dict[str, Any]) -> None:
        headers = {
            name: str(value).encode() if not isinstance(value, bytes) else value
            for name, value in produced["headers"].items()
        }
        self.pairs, self.record = list(headers.items()), produced

    def headers(self) -> Any:
        return self.pairs

    def key(self) -> Any:
        return self.record["key"]

    def value(self) -> Any:
        return self.record["value"]

    def offset(self) -> int:
        return 5


@pytest.mark.parametrize("kind", ["rocksdb", "memory"])
@pytest.mark.parametrize("with_agent", [True, False])
def test_recovery(world: World, tmp_path: Path, changelog: Changelog, kind: str, with_agent: bool) -> None:
    """An empty store takes value and writer from the changelog; without the agent the value is the same."""
    from quixstreams.state.recovery import RecoveryPartition

    put = written(world, rocksdb(tmp_path / "a", changelog))
    fresh = rocksdb(tmp_path / "b") if kind == "rocksdb" else memory()
    recorder.switch.recorder = world.recorder if with_agent else None
    recovery = RecoveryPartition("changelog", 0, fresh.partitions[0], {}, 0, 1)
    for produced in changelog.produced:
        recovery.recover_from_changelog_message(
            Record({**produced, "headers": {**produced["headers"], "__processed_tp_offsets__": b"null"}})
        )
    recorder.switch.recorder = world.recorder
    world.receive()
    assert begin(fresh)[1].get("key") == "value"
    assert linked(world.spans[-1]) == ([put.span_id] if with_agent else [])


def test_a_scan_is_one_span(world: World, tmp_path: Path) -> None:
    """With the number of rows, linked to who put them."""
    store = rocksdb(tmp_path, name="join", kind="timestamped")
    transaction = store.start_partition_transaction(0)
    for timestamp in (100, 200, 300):
        world.receive()
        transaction.set_for_timestamp(timestamp, f"at {timestamp}", b"customer")
    puts = [span.span_id for span in world.spans if span.name == "put join"]
    assert transaction.get_interval(150, 400, b"customer") == ["at 200", "at 300"]
    scan = world.spans[-1]
    assert (scan.name, scan.attributes["db.response.returned_rows"], linked(scan)) == ("scan join", 2, puts[1:])
    assert transaction.get_latest(250, b"customer") == "at 200"
    assert (world.spans[-1].name, linked(world.spans[-1])) == ("get join", [puts[1]])
    commit(transaction)
    transaction = store.start_partition_transaction(0)
    assert transaction.get_latest(250, b"customer") == "at 200"
    assert linked(world.spans[-1]) == [puts[1]]
    store.close()


def test_the_librarys_errors_stay_its_own(world: World, store: Any) -> None:
    """A committed transaction takes no more; the attempt is an error span."""
    world.receive()
    transaction, state = begin(store)
    state.set("key", 1)
    commit(transaction)
    for attempt in (lambda: state.get("key"), lambda: state.set("key", 2), lambda: state.exists("key")):
        with pytest.raises(Exception, match="Invalid transaction status"):
            attempt()
    assert world.spans[-1].attributes["error.type"] == "StateTransactionError"


def test_our_errors_stay_ours(
    world: World, store: Any, swallowed: list[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks: values are read and written."""
    from lineage.agent.patches.quixstreams.kept import Kept

    def broken(*_: Any) -> Any:
        raise RuntimeError("ours")

    for name in ("put", "writer", "rows", "written"):
        monkeypatch.setattr(Kept, name, broken)
    world.receive()
    transaction, state = begin(store)
    state.set("key", 1)
    assert state.get("key") == 1
    commit(transaction)
    assert begin(store)[1].get("key") == 1
    assert swallowed
