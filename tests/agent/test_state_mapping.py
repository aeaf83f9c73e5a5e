"""``lineage.state``: any mapping as a store, and who wrote what is read from it."""

from __future__ import annotations

import copy
import json
import pickle
import shelve
import subprocess
import sys
import threading
from collections import Counter, OrderedDict, defaultdict
from collections.abc import MutableMapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.memory import World, clean

import lineage
from lineage.agent import recorder
from lineage.agent.beside import Memory, content

GIVEN = {"a dict of ours": lambda: lineage.state("totals"), "a dict": lambda: lineage.state("totals", {})}


@pytest.fixture(params=GIVEN)
def totals(world: World, request: pytest.FixtureRequest) -> Any:
    """A store, in the hands of an event."""
    world.receive()
    return GIVEN[request.param]()


def told(world: World) -> list[tuple[str, Any, int]]:
    """Operation, rows and number of links of the state spans since the last time."""
    spans = [span for span in world.spans if "db.system.name" in span.attributes]
    world.spans.clear()
    return [(span.name.split()[0], span.attributes.get("db.response.returned_rows"), len(span.links)) for span in spans]


@dataclass
class Total:
    """A value of the application's own."""

    n: int
    names: list[str]


def test_a_read_links_to_the_last_write(world: World, totals: Any) -> None:
    """Of that key, by whichever event."""
    totals["a"] = totals["b"] = 1
    world.receive()
    totals["a"] += 1
    put = world.spans[-1]
    world.receive()
    assert (totals["a"], totals["b"]) == (2, 1)
    links = [link.context.span_id for span in world.spans[-2:] for link in span.links]
    assert links[0] == int.from_bytes(put.span_id, "big") != links[1]
    assert put.attributes["db.collection.name"] == "totals"


def test_every_operation_is_a_span(world: World, totals: Any) -> None:
    """With its rows, and its links."""
    totals["a"] = 1
    assert (totals.get("a"), totals.get("z"), totals.get("z", 7)) == (1, None, 7)
    assert ("a" in totals, "z" in totals) == (True, False)
    with pytest.raises(KeyError):
        totals["z"]
    assert told(world) == [
        ("put", None, 0),
        *[("get", 1, 1), ("get", 0, 0), ("get", 0, 0), ("exists", 1, 0), ("exists", 0, 0), ("get", 0, 0)],
    ]
    assert (totals.setdefault("a", 9), totals.setdefault("b", 2)) == (1, 2)
    assert (totals.pop("a"), totals.pop("z", 5), totals.popitem()) == (1, 5, ("b", 2))
    assert told(world) == [
        *[("get", 1, 1), ("get", 0, 0), ("put", None, 0)],
        *[("get", 1, 1), ("delete", None, 0), ("get", 0, 0), ("get", 1, 1), ("delete", None, 0)],
    ]
    totals["a"] = 1
    del totals["a"]
    totals.clear()
    with pytest.raises(KeyError):
        del totals["a"]
    assert told(world) == [("put", None, 0), *[("delete", None, 0)] * 3]


@pytest.mark.parametrize("source", [dict, list, iter])
def test_an_update_is_one_write(world: World, totals: Any, source: Any) -> None:
    """Whatever it is given, and by keyword."""
    totals.update(source([("a", 1), ("b", 2)]), c=3)
    totals |= {"d": 4}
    assert told(world) == [("put", None, 0)] * 2
    assert dict(totals) == {"a": 1, "b": 2, "c": 3, "d": 4}
    told(world)
    assert [totals[key] for key in "abcd"] == [1, 2, 3, 4]
    assert told(world) == [("get", 1, 1)] * 4


def test_an_update_that_fails_does_what_it_did(world: World, totals: Any) -> None:
    """What came before the error is written, and the error is the dict's."""
    with pytest.raises(ValueError, match="sequence element #1") as ours:
        totals.update([("a", 1), (1, 2, 3)])
    with pytest.raises(ValueError, match="sequence element #1") as theirs:
        {}.update([("a", 1), (1, 2, 3)])  # type: ignore[list-item]
    assert str(ours.value) == str(theirs.value)
    assert dict(totals) == {"a": 1}
    assert world.spans[0].attributes["error.type"] == "ValueError"


def test_loops_over_values_are_scans(world: World, totals: Any) -> None:
    """With links to who wrote the first and the last 16, even if the loop writes them again; loops over keys read none."""
    for number in range(40):
        world.receive()
        totals[number] = number
    told(world)
    for key, value in totals.items():
        totals[key] = value + 1
    assert sum(totals.values()) == sum(range(41))
    assert list(reversed(totals.items()))[:1] == [(39, 40)]
    assert list(totals) == list(totals.keys()) == list(range(40))
    assert [each for each in told(world) if each[0] != "put"] == [("scan", 40, 32)] * 3


def test_a_loop_that_outlives_its_message_is_nobodys(world: World, totals: Any) -> None:
    """No event gets what another one read."""
    totals.update(a=1, b=2)
    rows = iter(totals.items())
    next(rows)
    told(world)
    world.receive()
    assert len(list(rows)) == 1
    assert told(world) == []


def test_views_are_those_of_a_dict(totals: Any) -> None:
    """Live, with set operations, and the same to look at."""
    items, values, plain = totals.items(), totals.values(), {"a": 1}
    totals["a"] = 1
    assert (items, len(items), ("a", 1) in items, 1 in values) == (plain.items(), 1, True, True)
    assert items & {("a", 1)} == plain.items() & {("a", 1)} == {("a", 1)}
    assert items - {("a", 1)} == {("a", 1)} - items == set()
    assert (repr(items), repr(values)) == ("dict_items([('a', 1)])", "dict_values([1])")
    assert (items.mapping, list(values)) == (plain, [1])


def test_a_value_that_changed_in_place_has_no_writer(world: World, totals: Any) -> None:
    """Who changed it, and whether in this event, nobody can tell; put again, it has one."""
    totals["a"] = {"n": 1, "names": ["x"]}
    totals["a"]["n"] += 1
    assert totals["a"]["n"] == 2
    totals["a"] = totals["a"]
    totals["a"]["names"].append("y")
    assert totals["a"] == {"n": 2, "names": ["x", "y"]}
    assert [links for name, _, links in told(world) if name == "get"] == [1, 0, 0, 1, 0]


PLAIN = [1, 1.5, True, None, "é", b"b", bytearray(b"b"), (1, (2,)), [1], {1: {2: 3}}, {1, 2}, 2**99]
OBJECTS = [Decimal("1.5"), Total(1, ["x"]), OrderedDict(a=1), Counter("aab"), range(3)]


@pytest.mark.parametrize("value", [*PLAIN, *OBJECTS])
def test_values_of_any_type_have_writers(world: World, totals: Any, value: Any) -> None:
    """Also those of the application's own classes."""
    totals["a"] = value
    assert totals["a"] is value
    assert told(world)[-1] == ("get", 1, 1)


def test_values_that_cannot_be_known_have_none(world: World, totals: Any) -> None:
    """Objects that cannot be serialized, and large ones, of which each look would cost too much."""
    totals["lock"], totals["large"], totals["deep"] = threading.Lock(), list(range(9999)), {"n": list(range(9999))}
    assert [len(str(totals[key])) > 0 for key in ("lock", "large", "deep")] == [True] * 3
    assert [links for name, _, links in told(world) if name == "get"] == [0, 0, 0]
    totals["large"], totals["text"] = [], "x" * 9999
    assert (totals["large"], totals["text"][0]) == ([], "x")
    assert [links for name, _, links in told(world) if name == "get"] == [1, 1]


def test_what_others_put_behind_our_back_has_no_writer(world: World) -> None:
    """And the mapping that was given is the one that is written."""
    plain: dict[str, int] = {}
    totals = lineage.state("totals", plain)
    world.receive()
    totals["a"] = totals["b"] = 1
    assert plain == {"a": 1, "b": 1}
    plain["a"] = 2
    assert (totals["a"], totals["b"]) == (2, 1)
    assert [links for name, _, links in told(world) if name == "get"] == [0, 1]


def test_what_is_written_outside_of_any_event_has_no_writer(world: World, totals: Any) -> None:
    """Not even the one that it had before, if the value is the same."""
    totals["a"] = 1
    world.ask()
    totals["a"] = 1
    world.receive()
    assert totals["a"] == 1
    assert told(world)[-1] == ("get", 1, 0)


def test_a_dict_of_ours_is_a_dict(totals: Any) -> None:
    """To whoever looks at it, and to most who look at its class."""
    totals.update(b=[1], a=2)
    plain = {"b": [1], "a": 2}
    assert isinstance(totals, dict)
    assert (totals == plain, plain == totals, totals != plain, str(totals)) == (True, True, False, str(plain))
    assert (len(totals), list(totals), list(reversed(totals)), bool(totals)) == (2, ["b", "a"], ["a", "b"], True)
    assert (totals | {"c": 3}, {"c": 3} | totals) == ({**plain, "c": 3}, {"c": 3, **plain})
    assert ({**totals}, dict(totals), totals.copy()) == (plain, plain, plain)
    for other in (pickle.loads(pickle.dumps(totals)), copy.copy(totals), copy.deepcopy(totals)):
        assert (type(other), other) == (dict, plain)
    match totals:
        case {"a": found}:
            assert found == 2
    with pytest.raises(TypeError):
        hash(totals)
    with pytest.raises(TypeError, match="unhashable"):
        totals[[]]


def test_a_new_dict_serves_those_who_want_a_real_one(world: World) -> None:
    """The json module looks at the type itself: there a proxy would not do."""
    totals = lineage.state("totals")
    totals.update(a=1)
    assert json.dumps(totals) == '{"a": 1}'
    assert json.dumps(totals, indent=1) == '{\n "a": 1\n}'


def test_the_mapping_has_its_own_methods_and_no_others(world: World) -> None:
    """A Counter counts, a defaultdict makes values, a mapping without `|=` has none."""
    world.receive()
    counts = lineage.state("counts", Counter("ab"))
    counts["a"] += 1
    assert (counts["z"], counts.most_common(1), isinstance(counts, Counter)) == (0, [("a", 2)], True)
    assert told(world) == [("get", 1, 0), ("put", None, 0), ("get", 0, 0)]
    lists = lineage.state("lists", defaultdict(list))
    lists["a"].append(1)
    assert (lists, lists.default_factory) == ({"a": [1]}, list)
    plain = lineage.state("shelf", Minimal())
    assert not hasattr(plain, "__ior__")
    assert isinstance(plain, (Minimal, MutableMapping))
    plain.note = "mine"
    assert vars(plain)["note"] == "mine"


class Minimal(MutableMapping[str, int]):
    """A mapping of the application's own."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}

    def __getitem__(self, key: str) -> int:
        if key == "broken":
            raise OSError("disk")
        return self.held[key]

    def __setitem__(self, key: str, value: int) -> None:
        self.held[key] = value

    def __delitem__(self, key: str) -> None:
        del self.held[key]

    def __iter__(self) -> Any:
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)


class Rows(Minimal):
    """One whose methods give iterators, as those of databases do."""

    def items(self) -> Any:
        return iter(self.held.items())

    def values(self) -> Any:
        return iter(self.held.values())


def test_iterators_are_scans_too(world: World) -> None:
    """They need not be views."""
    world.receive()
    totals = lineage.state("totals", Rows())
    totals["a"] = 1
    assert (list(totals.items()), list(totals.values())) == ([("a", 1)], [1])
    assert told(world)[1:] == [("scan", 1, 1)] * 2


def test_its_errors_are_its_own(world: World) -> None:
    """A read that fails is no miss."""
    world.receive()
    totals = lineage.state("totals", Minimal())
    with pytest.raises(OSError, match="disk"):
        totals["broken"]
    assert world.spans[-1].attributes["error.type"] == "OSError"


@pytest.mark.parametrize("kept", [True, False])
def test_persistent_mappings_need_a_second_one_for_writers(world: World, tmp_path: Path, kept: bool) -> None:
    """Then a read after a restart links to who wrote before it; without, it links to nobody. Both read the same without us."""
    world.receive()
    for expected in (1, int(kept)):
        values, writers = (shelve.open(str(tmp_path / name)) for name in ("values", "writers"))  # noqa: SIM115 - below
        with lineage.state("totals", values, writers=writers if kept else None) as totals, writers:
            if not values:
                totals["a"] = Total(1, ["x"])
                totals["b"] = {"n": [1]}
            assert (totals["a"], totals["b"]) == (Total(1, ["x"]), {"n": [1]})
        assert [links for name, _, links in told(world) if name == "get"] == [expected] * 2
    with shelve.open(str(tmp_path / "values")) as plain:
        assert dict(plain) == {"a": Total(1, ["x"]), "b": {"n": [1]}}


def test_writers_are_no_more_than_twice_the_keys(world: World) -> None:
    """Of a mapping that drops keys by itself, as caches do."""
    plain: dict[int, int] = {}
    totals = lineage.state("totals", plain)
    world.receive()
    for number in range(9000):
        totals[number] = number
        plain.pop(number - 100, None)
        world.spans.clear()
    writers = totals._lineage_beside.writers
    assert isinstance(writers, Memory)
    assert len(writers) < 2048
    assert totals[8999] == 8999
    assert told(world) == [("get", 1, 1)]


def test_without_the_agent_it_is_the_mapping_itself() -> None:
    """Nor is anything imported for it."""
    plain: dict[str, int] = {}
    assert recorder.active() is None
    assert lineage.state("totals", plain) is plain
    assert type(lineage.state("totals")) is dict
    code = "import sys, lineage; lineage.state('t', {}); assert not [n for n in sys.modules if 'opentelemetry' in n]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_when_the_agent_stops_it_goes_on(world: World, totals: Any) -> None:
    """As a mapping like any other."""
    totals["a"] = 1
    recorder.switch.recorder = None
    totals["a"] += 1
    assert (totals["a"], totals.get("b"), totals.pop("a"), totals.setdefault("c", 1)) == (2, None, 2, 1)
    assert list(totals.items()) == [("c", 1)]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)


@given(VALUES)
def test_content_survives_serialization(value: Any) -> None:
    """The same value gives the same bytes, whoever made it; another one gives others."""
    assert content(pickle.loads(pickle.dumps(value))) == content(value)
    assert content([value, 1]) != content([value, True])


@given(st.lists(st.tuples(st.sampled_from("pdgcb"), st.sampled_from("xyz"), VALUES), max_size=30))
def test_any_history_reads_as_without_us_and_names_the_true_writer(history: list[tuple[str, str, Any]]) -> None:
    """Puts, deletions, reads, changes behind our back; what is read names the last put, or nobody."""
    with clean():
        world = World()
        plain: dict[str, Any] = {}
        shadow: dict[str, Any] = {}
        last: dict[str, int | None] = {}
        totals = lineage.state("totals", plain)
        for operation, key, value in history:
            world.receive()
            if operation == "p":
                totals[key] = shadow[key] = value
                last[key] = int.from_bytes(world.spans[-1].span_id, "big")
            elif operation == "d":
                assert totals.pop(key, None) == shadow.pop(key, None)
            elif operation == "b":
                plain[key] = shadow[key] = ["behind", value]
                last[key] = None
            else:
                assert totals.get(key) == shadow.get(key)
                links = [link.context.span_id for link in world.spans[-1].links]
                writer = last.get(key) if key in shadow else None
                assert links == ([] if writer is None else [writer])
        assert plain == shadow
