"""State operations: who wrote what is read."""

from __future__ import annotations

from time import time_ns
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as SUPPRESSED
from opentelemetry.context import attach, detach, set_value
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from opentelemetry.sdk.trace import TracerProvider
from support.memory import World, traceparent

from lineage.agent.export.encode import encode
from lineage.agent.settings import Patterns
from lineage.model.contributors import Contributors
from lineage.model.records import RecordRef
from lineage.model.writers import Writer

TRACER = TracerProvider().get_tracer("app")
ELSE = Writer(b"t" * 16, b"s" * 8, True, "orders", 2, 77, "cluster")


class Kept:
    """A store with one value, as a patch sees it."""

    def __init__(self, world: World, name: str = "totals"):
        self.states = world.recorder.states
        self.store = self.states.store(name, "rocksdb")
        self.writer: Writer | None = None

    def put(self, key: Any = b"k", **more: Any) -> Writer | None:
        self.writer = self.states.put(self.store, key, time_ns(), **more)
        return self.writer

    def get(self, key: Any = b"k", found: bool = True) -> None:
        self.states.got(self.store, key, time_ns(), found, self.writer)


def ops(world: World) -> list[str]:
    return [span.name for span in world.spans if span.kind is trace.SpanKind.INTERNAL]


def links(span: Any) -> list[tuple[int, dict[str, Any]]]:
    return [(link.context.span_id, link.attributes) for link in span.links]


def number(span_id: bytes) -> int:
    return int.from_bytes(span_id, "big")


def exported(span: Any) -> Any:
    return ScopeSpans.FromString(encode(span)).spans[0]


def test_a_read_links_to_the_span_that_wrote(world: World) -> None:
    """From another event and trace, with the record that wrote."""
    kept = Kept(world)
    wrote = world.receive([("traceparent", traceparent(5, 5))])
    writer = kept.put()
    put = world.spans[-1]
    assert writer is not None
    assert (put.name, put.parent_id, put.span_id) == ("put totals", world.open.span_id, writer.span_id)
    assert writer.record == RecordRef("orders", 0, wrote.offset())
    world.receive([("traceparent", traceparent(6, 6))])
    kept.get()
    get = world.spans[-1]
    assert (get.name, get.parent_id, get.trace_id) == ("get totals", world.open.span_id, (6).to_bytes(16, "big"))
    where = {"messaging.destination.name": "orders", "messaging.destination.partition.id": "0"}
    role = {"lineage.role": "state", **where, "messaging.kafka.offset": wrote.offset()}
    assert links(get) == [(number(put.span_id), role)]
    assert get.attributes == {
        "db.system.name": "rocksdb",
        "db.collection.name": "totals",
        "db.operation.name": "get",
        "db.response.returned_rows": 1,
    }


def test_links_are_exported_as_others_see_them(world: World) -> None:
    """The short way to OTLP says the same as OpenTelemetry's object."""
    world.receive()
    for writer in (ELSE, Writer(b"t" * 16, b"s" * 8, False)):
        kept = Kept(world)
        kept.writer = writer
        kept.get()
        (link,) = exported(world.spans[-1]).links
        context = world.spans[-1].links[0].context
        assert (link.trace_id, link.span_id) == (writer.trace_id, writer.span_id)
        assert context.trace_id == int.from_bytes(writer.trace_id, "big")
        assert link.flags == 0x300 | context.trace_flags
        told = {each.key: each.value.string_value or each.value.int_value for each in link.attributes}
        assert told == world.spans[-1].links[0].attributes


def test_a_miss_is_a_span_without_links(world: World) -> None:
    """It returned nothing."""
    world.receive()
    Kept(world).get(found=False)
    assert world.spans[-1].attributes["db.response.returned_rows"] == 0
    assert links(world.spans[-1]) == []


def test_deletions_and_questions(world: World) -> None:
    """A deletion has a writer, too: a changelog may carry it."""
    world.receive()
    states, store = world.recorder.states, Kept(world).store
    writer = states.deleted(store, b"k", time_ns())
    states.existed(store, b"k", time_ns(), found=True)
    states.existed(store, b"k", time_ns(), found=False)
    assert ops(world) == ["delete totals", "exists totals", "exists totals"]
    assert writer is not None
    assert [span.attributes.get("db.response.returned_rows") for span in world.spans] == [None, 1, 0]


@pytest.mark.parametrize(("rows", "linked"), [(3, 3), (32, 32), (100, 32)])
def test_a_scan_links_to_the_first_and_the_last(world: World, rows: int, linked: int) -> None:
    """With the exact number of rows; who wrote several of them is linked once."""
    world.receive()
    writers = [ELSE._replace(span_id=(n + 1).to_bytes(8, "big")) for n in range(rows)]
    states = world.recorder.states
    states.scanned(states.store("totals", "memory"), time_ns(), rows, [*writers, writers[0]])
    ids = [link[0] for link in links(world.spans[-1])]
    assert (len(ids), ids[0], ids[-1]) == (linked, 1, rows)
    assert world.spans[-1].attributes["db.response.returned_rows"] == rows


def test_outside_of_any_event_nothing_is_recorded(world: World) -> None:
    """What is read at start, or by a timer; a value written there has no writer."""
    kept = Kept(world)
    assert kept.put() is None
    kept.get()
    world.receive()
    world.ask()
    assert kept.put() is None
    assert ops(world) == []


def test_a_span_of_the_application_is_enough(world: World) -> None:
    """A state operation within it is below it; no record was handled."""
    kept = Kept(world)
    with TRACER.start_as_current_span("load") as load:
        writer = kept.put()
    assert writer is not None
    assert writer.record is None
    assert number(world.spans[-1].parent_id) == load.get_span_context().span_id


def test_where_instrumentation_is_suppressed_nothing_is_recorded(world: World) -> None:
    """By OpenTelemetry's own switch."""
    world.receive()
    token = attach(set_value(SUPPRESSED, True))
    assert Kept(world).put() is None
    detach(token)


def test_after_a_batch_the_record_is_not_known(world: World) -> None:
    """The span is below the last message and links to the others, all of them only possible; the writer names no record."""
    batch = world.consume(*[world_message() for _ in range(3)])
    for _ in batch:
        pass
    writer = Kept(world).put()
    assert writer is not None
    assert writer.record is None
    assert [attributes["lineage.role"] for _, attributes in links(world.spans[-1])] == ["batch", "batch"]


def world_message() -> Any:
    from support.memory import Message

    return Message()


def test_suppressed_by_kind_the_span_around_takes_over(make: Any) -> None:
    """It is the writer, and carries the links: once each, and none to itself."""
    world = make(suppressed=frozenset(("state",)))
    kept = Kept(world)
    world.receive()
    first = world.open
    assert kept.put().span_id == first.span_id
    kept.get()
    world.receive()
    kept.get()
    kept.get()
    second = world.open
    world.recorder.states.scanned(kept.store, time_ns(), 2, [kept.writer, ELSE])
    world.ask()
    assert ops(world) == []
    assert links(first) == []
    assert [link[0] for link in links(second)] == [number(first.span_id), number(ELSE.span_id)]
    assert {link[1]["lineage.role"] for link in links(second)} == {"state"}


def test_suppressed_below_a_span_of_the_application(make: Any) -> None:
    """An SDK span carries the link, too."""
    world = make(suppressed=frozenset(("state",)))
    kept = Kept(world)
    kept.writer = ELSE
    with TRACER.start_as_current_span("load") as load:
        kept.get()
    assert [link.context.span_id for link in load.links] == [number(ELSE.span_id)]


def test_suppressed_by_name(make: Any) -> None:
    """Reads of one store are gone, the rest stays; nobody links to the own parent."""
    world = make(suppressed_names=Patterns("get *", "put totals"))
    world.receive()
    for name in ("totals", "other"):
        Kept(world, name).put()
        Kept(world, name).get()
    kept = Kept(world, "other")
    kept.store, _ = world.recorder.states.store("totals", "rocksdb"), kept.put()
    assert ops(world) == ["put other", "put other"]


def test_a_read_of_what_its_own_parent_wrote_has_no_link(make: Any) -> None:
    """Jaeger would drop the parent edge."""
    world = make(suppressed_names=Patterns("put *"))
    world.receive()
    kept = Kept(world)
    kept.put()
    kept.get()
    assert ops(world) == ["get totals"]
    assert links(world.spans[-1]) == []


def test_a_failure_is_an_error_span(world: World) -> None:
    """With the error's type; its text may tell of values."""
    world.receive()
    states = world.recorder.states
    for operation in ("get", "put", "delete", "scan"):
        states.failed(states.store("totals", "rocksdb"), operation, b"k", time_ns(), OSError("secret"))
    assert ops(world) == ["get totals", "put totals", "delete totals", "scan totals"]
    for span in world.spans:
        assert span.attributes["error.type"] == "OSError"
        assert b"secret" not in encode(span)


@pytest.mark.parametrize(("keys", "shown"), [("off", None), ("plain", "customer-7")])
def test_keys_are_recorded_as_configured(make: Any, keys: str, shown: str | None) -> None:
    """As message keys are: not by default."""
    world = make(keys=keys)
    world.receive()
    Kept(world).put(b"customer-7")
    assert world.spans[-1].attributes.get("lineage.state.key") == shown


def test_what_is_made_of_several_counts_them(world: World) -> None:
    """Each put adds one to the contributors before it."""
    kept = Kept(world)
    before = None
    for _ in range(40):
        world.receive()
        before = kept.put(before=before, fan_in=True).contributors
    assert isinstance(before, Contributors)
    assert (before.total, len(list(before.ids()))) == (40, 32)
    assert before.ranges[0].topic == "orders"


def test_headers_go_through_the_state(make: Any) -> None:
    """If asked for: who reads the value hands on what its writer had, and the baggage, but never over its own."""
    world = make(headers_propagate=Patterns("tenant"), state_headers=True)
    kept = Kept(world)
    world.receive([("tenant", b"blue"), ("baggage", b"user=7")])
    kept.put()
    assert kept.writer.headers == (("tenant", b"blue"), ("baggage", b"user=7"))
    world.receive()
    kept.get()
    assert dict(world.send().headers)["tenant"] == b"blue"
    assert dict(world.send().headers)["baggage"] == b"user=7"
    world.receive([("tenant", b"red"), ("baggage", b"user=8")])
    kept.get()
    sent = world.send().headers
    assert [value for name, value in sent if name in {"tenant", "baggage"}] == [b"user=8", b"red"]


def test_an_unsampled_event_still_has_a_writer(world: World) -> None:
    """Nothing is recorded of it; what reads the value says that it was not sampled."""
    world.receive([("traceparent", traceparent(5, 5, sampled=False))])
    writer = Kept(world).put()
    assert writer is not None
    assert not writer.sampled
    assert ops(world) == []
