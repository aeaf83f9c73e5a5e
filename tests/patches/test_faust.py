"""The Faust layer piece by piece, without a broker: whole applications are among the scenarios."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.memory import World, traceparent

faust = pytest.importorskip("faust", reason="faust-streaming is not installed")

from faust.exceptions import Skip  # noqa: E402
from faust.streams import maybe_forward  # noqa: E402
from faust.types.tuples import TP, Message, RecordMetadata  # noqa: E402

from lineage.agent import patching  # noqa: E402
from lineage.agent.current import SPAN, hide, var  # noqa: E402
from lineage.agent.patches.faust import PATCHES, sidecars, streams  # noqa: E402
from lineage.agent.patches.faust.kept import Kept, kept_of  # noqa: E402
from lineage.model.changelog import HEADER, format_writer  # noqa: E402
from lineage.model.writers import Writer  # noqa: E402

WRITER = Writer(b"t" * 16, b"s" * 8, True, "orders", 0, 7)


@pytest.fixture(autouse=True)
def traced(world: World) -> Iterator[World]:
    """The patches are on, and record into memory."""
    patching.apply(PATCHES)
    yield world
    patching.undo(PATCHES)


@pytest.fixture
def app() -> Any:
    return faust.App("shop", broker="kafka://kafka:9092", web_enabled=False)


def event(app: Any, headers: Any = None, value: Any = b"value", offset: int = 5) -> Any:
    message = Message("orders", 1, offset, 1_700_000_000.0, 1, headers, b"key", value, None)
    return SimpleNamespace(app=app, message=message, headers=dict(headers or ()))


def arrive(app: Any, stream: Any, arrived: Any) -> Any:
    """An event arrives in a stream; the span that is current then."""
    app.sensors.on_stream_event_in(TP("orders", 1), arrived.message.offset, stream, arrived)
    return var.get().get(SPAN)


def stream_of(app: Any) -> Any:
    """A stream that lives as long as its app: when it goes, the handling of its event is over."""
    stream = SimpleNamespace(app=app)
    vars(app).setdefault("streams", []).append(stream)
    return stream


def attributes(span: Any) -> dict[str, Any]:
    return span.all_attributes()


def test_an_event_is_handled_until_its_stream_is_asked_for_the_next(app: Any, traced: World) -> None:
    """The process span is a child of the send that the headers name, and says where the record lies."""
    stream = stream_of(app)
    span = arrive(app, stream, event(app, [("traceparent", traceparent(1, 2))]))
    assert (span.trace_id[-1], span.parent_id[-1], span.end_time) == (1, 2, 0)
    streams.went_on(stream)
    assert traced.spans == [span]
    assert var.get().get(SPAN) is None
    known = attributes(span)
    assert known["messaging.consumer.group.name"] == "shop"
    assert known["messaging.kafka.offset"] == 5
    assert known["messaging.message.body.size"] == 5
    assert known["server.address"] == "kafka"


def test_a_filtered_event_ends_in_the_streams_own_loop(app: Any, traced: World) -> None:
    """Only with the state that its loop has: an application that acknowledges by itself is still at work."""
    stream, arrived = stream_of(app), event(app)
    span = arrive(app, stream, arrived)
    app.sensors.on_stream_event_out(TP("orders", 1), 5, stream, arrived)
    assert not traced.spans
    app.sensors.on_stream_event_out(TP("orders", 1), 5, stream, arrived, {})
    assert traced.spans == [span]


def test_what_comes_from_memory_is_no_record(app: Any, traced: World) -> None:
    """Channels have no offsets."""
    assert arrive(app, stream_of(app), event(app, offset=-1)) is None


@pytest.mark.parametrize("headers", [[("traceparent", traceparent(1, 2))], [("mine", b"header")], None])
def test_two_agents_handle_the_same_event_each_for_itself(app: Any, traced: World, headers: Any) -> None:
    """They share the message: neither its headers nor its value tell which of them sends."""
    arrived = event(app, headers)
    first, second = stream_of(app), stream_of(app)
    span = arrive(app, first, arrived)
    context = var.get()
    hide()
    other = arrive(app, second, arrived)
    var.set(context)
    send = traced.send(arrived.message.value, list(headers or ()))
    assert send.parent_id == span.span_id != other.span_id
    assert not send.links


@pytest.mark.parametrize("headers", [{"mine": b"1"}, [("mine", b"1")], (("mine", b"1"),), None])
def test_a_send_carries_its_own_headers(app: Any, traced: World, headers: Any) -> None:
    """In the form that the library had; the caller's are left alone."""
    before = None if headers is None else type(headers)(headers)

    async def send() -> Any:
        future = app.topic("out").as_future_message(value=b"sent", headers=headers)
        future.set_result(RecordMetadata("out", 1, TP("out", 1), 9))
        await asyncio.sleep(0)
        return future.message

    message = asyncio.run(send())
    assert headers == before
    assert isinstance(message.headers, dict if headers is None or isinstance(headers, dict) else list)
    names = list(dict(message.headers))
    assert names == [*dict(headers or ()), "traceparent", "lineage-context"]
    (span,) = traced.spans
    assert (span.name, span.partition, span.offset) == ("send out", 1, 9)


def test_an_old_trace_context_is_replaced(app: Any, traced: World) -> None:
    """``forward`` passes on what the event had."""

    async def send() -> Any:
        old = (("traceparent", traceparent(1, 2)),)
        return app.topic("out").as_future_message(value=b"sent", headers=old).message.headers

    (new,) = (value for name, value in asyncio.run(send()) if name == "traceparent")
    assert new != traceparent(1, 2)


def test_a_failed_delivery_is_an_error_that_the_application_still_has_to_look_at(app: Any, traced: World) -> None:
    """Nobody has looked at it yet, which asyncio complains of in the end."""

    async def send() -> bool:
        future = app.topic("out").as_future_message(value=b"sent")
        future.set_exception(OSError("no route"))
        await asyncio.sleep(0)
        unseen = future._log_traceback
        future.exception()
        return unseen

    assert asyncio.run(send())
    (span,) = traced.spans
    assert attributes(span)["error.type"] == "OSError"


def test_a_message_that_cannot_be_published_is_an_error(app: Any, traced: World) -> None:
    """The library's own error reaches the application."""

    async def send() -> None:
        topic = app.topic("out")

        async def unavailable() -> None:
            raise OSError("closed")

        topic._get_producer = unavailable
        await topic.publish_message(topic.as_future_message(value=b"sent"))

    with pytest.raises(OSError, match="closed"):
        asyncio.run(send())
    assert [span.name for span in traced.spans] == ["send out"]


def test_an_error_of_ours_does_not_reach_the_application(
    app: Any, traced: World, swallowed: list[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message goes out as it would without the agent."""
    monkeypatch.setattr(traced.recorder.sends, "start", None)

    async def send() -> Any:
        return app.topic("out").as_future_message(value=b"sent").message.headers

    assert asyncio.run(send()) == {}
    assert swallowed


class TestSteps:
    """What the application has a stream do with each event."""

    @pytest.fixture
    def process(self, app: Any) -> Any:
        """Run a processor of the application's while an event is handled."""
        arrive(app, stream_of(app), event(app))

        def run(function: Any) -> Any:
            stream = SimpleNamespace(_processors=[])
            faust.Stream.add_processor(stream, function)
            return stream._processors[0](1)

        return run

    def test_a_processor_is_a_step_named_after_its_function(self, process: Any, traced: World) -> None:
        """Whether it is asynchronous or not."""

        def double(value: int) -> int:
            return 2 * value

        async def triple(value: int) -> int:
            await asyncio.sleep(0)
            return 3 * value

        async def both() -> tuple[int, int]:
            return process(double), await process(triple)

        assert asyncio.run(both()) == (2, 3)
        assert [span.name for span in traced.spans] == ["double", "triple"]

    def test_to_skip_an_event_is_no_error(self, process: Any, traced: World) -> None:
        """Anything else is."""
        for error in (Skip(), ValueError()):

            def refuse(_: int, error: Any = error) -> None:
                raise error

            with pytest.raises(type(error)):
                process(refuse)
        assert [attributes(span).get("error.type") for span in traced.spans] == [None, "ValueError"]

    def test_the_librarys_own_are_none(self, app: Any) -> None:
        """It removes them by identity."""
        stream = SimpleNamespace(_processors=[])
        faust.Stream.add_processor(stream, maybe_forward)
        assert stream._processors == [maybe_forward]


class TestTable:
    """A table in memory."""

    @pytest.fixture
    def table(self, app: Any) -> Any:
        table = app.Table("totals", default=list)
        message = SimpleNamespace(message=SimpleNamespace(partition=1, headers={}, key=b"k", value=b"v"))
        table.changelog_topic.send_soon = lambda **_: message
        table.partition_for_key = lambda _: 1
        return table

    @pytest.fixture
    def put(self, app: Any, table: Any) -> Any:
        """A value, written while an event was handled; another one is handled now."""
        arrive(app, stream_of(app), event(app))
        table["k"] = [1]
        hide()
        arrive(app, stream_of(app), event(app, offset=6))
        return table

    def spans(self, traced: World, operation: str) -> list[Any]:
        return [span for span in traced.spans if span.name == f"{operation} totals"]

    def test_a_get_links_to_the_put(self, put: Any, traced: World) -> None:
        """Whoever reads next knows who wrote."""
        assert put["k"] == [1]
        (wrote,), (read,) = self.spans(traced, "put"), self.spans(traced, "get")
        (link,) = read.links
        assert link.context.span_id == int.from_bytes(wrote.span_id, "big")

    def test_the_changelog_record_names_the_writer(self, put: Any) -> None:
        """In a header: the value stays what it is."""
        headers = kept_of_table(put).sent.message.headers
        assert headers[HEADER].startswith(b"lineage-writer=1;")

    def test_a_default_is_no_hit(self, put: Any, traced: World) -> None:
        """Nobody wrote it."""
        assert put["other"] == []
        (read,) = self.spans(traced, "get")
        assert attributes(read)["db.response.returned_rows"] == 0

    def test_a_value_that_another_put_there_has_no_writer(self, put: Any, traced: World) -> None:
        """Not even an equal one."""
        put.data.data["k"] = [1]
        assert put["k"] == [1]
        assert not self.spans(traced, "get")[0].links

    def test_existence_and_deletion(self, put: Any, traced: World) -> None:
        """Both are operations of their own."""
        assert "k" in put
        del put["k"]
        assert "k" not in put
        assert [len(self.spans(traced, name)) for name in ("exists", "delete")] == [2, 1]

    def test_a_view_is_what_it_was(self, put: Any, traced: World) -> None:
        """To go through it is a scan."""
        assert list(put.items()) == [("k", [1])]
        assert list(put.values()) == [[1]]
        assert (("k", [1]) in put.items(), len(put.values()), repr(put.items())) == (
            True,
            1,
            "dict_items([('k', [1])])",
        )
        first, second = self.spans(traced, "scan")
        assert len(first.links) == len(second.links) == 1

    def test_recovery_brings_writers_back(self, table: Any, traced: World) -> None:
        """With the header that the record had; without, there is none, nor for what was there before."""

        def recover(headers: Any) -> Writer | None:
            message = SimpleNamespace(partition=1, key=b"k", value=b"1", headers=headers)
            table.apply_changelog_batch([SimpleNamespace(key="k", value=1, message=message)])
            return kept_of_table(table).writer_of("k", 1)

        assert recover([(HEADER, format_writer(WRITER))]) == WRITER
        assert recover([(HEADER, b"nonsense")]) is None
        recover({HEADER: format_writer(WRITER)})
        assert recover(None) is None

    def test_what_is_gone_is_forgotten(self, put: Any) -> None:
        """Expired values, and those of other workers, go without having been deleted."""
        put.data.data.clear()
        asyncio.run(put.on_recovery_completed(set(), set()))
        assert not kept_of_table(put).writers

    def test_outside_of_events_nothing_is_recorded(self, table: Any, traced: World) -> None:
        """And what was written has no writer."""
        hide()
        table["k"] = [2]
        assert (table["k"], "k" in table, list(table.items())) == ([2], True, [("k", [2])])
        assert not traced.spans


def kept_of_table(table: Any) -> Kept:
    from lineage.agent.recorder import switch

    assert switch.recorder is not None
    kept = kept_of(switch.recorder, table)
    assert kept is not None
    return kept


class TestSidecar:
    """Writers beside a store in RocksDB."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Any:
        pytest.importorskip("rocksdict")
        return SimpleNamespace(
            partition_path=lambda partition: tmp_path / f"totals-{partition}.db", use_rocksdict=True, read_only=False
        )

    def test_a_writer_is_known_by_the_value(self, store: Any) -> None:
        """One that was changed without us has none."""
        sidecars.keep(store, 0, b"k", b"value", WRITER)
        assert sidecars.writer_of(store, 0, b"k", b"value") == WRITER
        assert sidecars.writer_of(store, 0, b"k", b"other") is None
        sidecars.keep(store, 0, b"k", b"value", None)
        assert sidecars.writer_of(store, 0, b"k", b"value") is None

    def test_it_is_there_after_a_restart(self, store: Any) -> None:
        """It closes before the library's own database does."""
        sidecars.keep(store, 0, b"k", b"value", WRITER)
        sidecars.closing(lambda _: None)(store)
        assert sidecars.writer_of(store, 0, b"k", b"value") == WRITER

    def test_without_one_nobody_knows(self, store: Any) -> None:
        """Where it cannot be opened, or must not be written."""
        store.read_only = True
        sidecars.keep(store, 0, b"k", b"value", WRITER)
        assert sidecars.writer_of(store, 0, b"k", b"value") is None
