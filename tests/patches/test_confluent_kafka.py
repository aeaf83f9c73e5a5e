"""confluent-kafka under the agent behaves as without it. No broker answers here: what needs one is among the scenarios."""

from __future__ import annotations

import asyncio
import functools
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from support.memory import World

pytest.importorskip("confluent_kafka")

from confluent_kafka import KafkaError, Message, cimpl

from lineage.agent import instances, patching
from lineage.agent.patches.confluent_kafka import PATCHES
from lineage.agent.patches.confluent_kafka.consumer import _hide_headers
from lineage.agent.proxies import traced_proxy
from lineage.model.headers import LINEAGE

DEAD = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}


class Bare:
    """The library's own classes. Late patching does not reach class attributes: these stay what they were."""

    Producer, Consumer = cimpl.Producer, cimpl.Consumer


class Early(cimpl.Producer):
    """A subclass that the application made before the agent came."""


@pytest.fixture(autouse=True)
def traced(world: World) -> Iterator[World]:
    """The patches are on, and record into memory."""
    patching.apply(PATCHES)
    yield world
    patching.undo(PATCHES)


@pytest.fixture
def producer() -> Iterator[Any]:
    producer = cimpl.Producer(DEAD)
    yield producer
    drop(producer)


def drop(producer: Any) -> int:
    """Have what waits reported as failed, at once."""
    producer.purge()
    return producer.flush(5)


def answers(client: Any, call: Any, *given: Any) -> Any:
    """What a call answers, or how it is refused."""
    try:
        return call(client, *given)
    except Exception as error:  # noqa: BLE001  # to compare
        return type(error), str(error)


REFUSED = {
    "no topic": lambda p: p.produce(),
    "unknown keyword": lambda p: p.produce("t", colour="red"),
    "too many": lambda p: p.produce("t", b"v", b"k", -1, None, None, 0, None, 1),
    "topic of a wrong type": lambda p: p.produce(7),
    "topic is None": lambda p: p.produce(None),
    "value of a wrong type": lambda p: p.produce("t", 7),
    "key of a wrong type": lambda p: p.produce("t", b"v", 7.5),
    "partition of a wrong type": lambda p: p.produce("t", partition="one"),
    "timestamp of a wrong type": lambda p: p.produce("t", timestamp="now"),
    "tuple of headers": lambda p: p.produce("t", headers=(("a", b"1"),)),
    "list of lists": lambda p: p.produce("t", headers=[["a", b"1"]]),
    "triples": lambda p: p.produce("t", headers=[("a", b"1", 1)]),
    "header value": lambda p: p.produce("t", headers=[("a", 1)]),
    "header dict value": lambda p: p.produce("t", headers={"a": 1}),
    "header dict key": lambda p: p.produce("t", headers={1: b"a"}),
    "generator": lambda p: p.produce("t", headers=(pair for pair in ())),
    "too large": lambda p: p.produce("t", bytes(2_000_000)),
    "empty topic": lambda p: p.produce(""),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_refused_alike(producer: Any, call: Any) -> None:
    """The same type of error, the same text."""
    bare = Bare.Producer(DEAD)
    assert answers(producer, call) == answers(bare, call)
    drop(bare)


def test_a_topic_given_twice_is_a_type_error(producer: Any) -> None:
    """In Python's words instead of C's."""
    with pytest.raises(TypeError, match="topic"):
        producer.produce("t", topic="t")


def test_a_refused_message_is_an_error_span(producer: Any, world: World) -> None:
    """And waits for no report."""
    answers(producer, REFUSED["too large"])
    (span,) = world.spans
    assert span.extra["error.type"] == "MSG_SIZE_TOO_LARGE"
    assert world.recorder.clients[id(producer)].pending == {}


def test_a_message_that_only_our_headers_make_too_large_is_sent(world: World) -> None:
    """Without them, and counted; in a batch, too."""
    producer = cimpl.Producer({**DEAD, "message.max.bytes": 1200})
    producer.produce("t", bytes(1000))
    messages = [{"value": bytes(1000)}]
    assert producer.produce_batch("t", messages) == 1
    assert "_error" not in messages[0]
    assert world.recorder.counters()["sends_without_headers"] == 2
    drop(producer)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"on_delivery": "d"}, ["d"]),
        ({"callback": "c"}, ["c"]),
        ({"callback": "c", "on_delivery": "d"}, ["c"]),
        ({"callback": None, "on_delivery": "d"}, ["config"]),
        ({}, ["config"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["traced", "bare"])
def test_which_callback_is_called(given: Any, expected: list[str], kind: str) -> None:
    """The one of the call, else the client's: with the agent and without."""
    called: list[str] = []

    def reporting(name: str | None) -> Any:
        return None if name is None else lambda error, message: called.append(name)

    factory = cimpl.Producer if kind == "traced" else Bare.Producer
    producer = factory({**DEAD, "on_delivery": reporting("config")})
    producer.produce("t", b"v", **{name: reporting(value) for name, value in given.items()})
    assert drop(producer) == 0
    assert called == expected


def test_a_failed_delivery_ends_the_span(producer: Any, world: World) -> None:
    """Nobody answers."""
    producer.produce("t", b"v")
    drop(producer)
    (span,) = world.spans
    assert span.extra["error.type"] == "_PURGE_QUEUE"
    assert span.attributes["server.address"] == "127.0.0.1"


BATCHES: dict[str, Any] = {
    "plain": lambda: ([{"value": b"1"}, {"value": b"2", "key": "k"}], {}),
    "a partition": lambda: ([{"value": b"1", "partition": 1}], {"partition": 0}),
    "none": lambda: ([], {}),
    "one too large": lambda: ([{"value": b"1"}, {"value": bytes(2_000_000)}], {}),
    "no dict": lambda: ([b"1"], {}),
    "a wrong value": lambda: ([{"value": 7}], {}),
    "no list": lambda: (({"value": b"1"},), {}),
    "unknown keyword": lambda: ([{"value": b"1"}], {"colour": 7}),
}


def produce_batch(client: Any, **given: Any) -> Any:
    return client.produce_batch("t", **given)


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_a_batch_is_answered_alike(producer: Any, batch: Any) -> None:
    """How many were taken, why others were not, and which calls are refused."""
    bare = Bare.Producer(DEAD)
    if not hasattr(bare, "produce_batch"):
        pytest.skip("this version has none")
    found = []
    for client in (producer, bare):
        messages, more = batch()
        answer = answers(client, functools.partial(produce_batch, messages=messages, **more))
        errors = [(m["_error"].code(), m["_error"].str()) for m in messages if isinstance(m, dict) and "_error" in m]
        found.append((answer, errors))
        drop(client)
    assert found[0] == found[1]


def test_a_batch_has_one_span_per_message(producer: Any, world: World) -> None:
    """With callbacks of its own or of the batch."""
    called: list[str] = []
    messages = [{"value": b"1"}, {"value": b"2", "callback": lambda *_: called.append("own")}]
    producer.produce_batch("t", messages, on_delivery=lambda *_: called.append("batch"))
    drop(producer)
    assert (sorted(called), len(world.spans)) == (["batch", "own"], 2)


def test_classes_look_like_the_librarys_own() -> None:
    """Names, documentation, subclasses."""
    assert cimpl.Producer is not Bare.Producer
    assert issubclass(cimpl.Producer, Bare.Producer)
    assert (cimpl.Producer.__name__, cimpl.Producer.__module__) == (Bare.Producer.__name__, Bare.Producer.__module__)
    assert cimpl.Producer.produce.__doc__ == Bare.Producer.produce.__doc__


def test_classes_made_before_are_traced(world: World) -> None:
    """They are rebased, and back again."""
    assert Early.__bases__ == (cimpl.Producer,)
    early = Early(DEAD)
    early.produce("t", b"v")
    drop(early)
    assert len(world.spans) == 1
    patching.undo(PATCHES)
    assert Early.__bases__ == (Bare.Producer,)


def test_a_client_older_than_the_agent_keeps_its_callback(world: World) -> None:
    """Which we cannot see; so its sends are recorded without an outcome."""
    called: list[Any] = []
    raw = Bare.Producer({**DEAD, "on_delivery": lambda error, message: called.append(error.code())})
    proxy = traced_proxy(raw)
    proxy.produce("t", b"v")
    proxy.produce_batch("t", [{"value": b"v"}])
    assert drop(proxy) == 0
    assert called == [KafkaError._PURGE_QUEUE] * 2
    assert [span.extra["lineage.delivery"] for span in world.spans] == ["unknown"] * 2


def test_a_proxy_is_its_client(world: World) -> None:
    """To isinstance, too; a client without callbacks has reports of ours."""
    raw = Bare.Producer(DEAD)
    proxy = traced_proxy(raw)
    proxy.produce("t", b"v")
    assert isinstance(proxy, Bare.Producer)
    drop(proxy)
    assert [span.extra["error.type"] for span in world.spans] == ["_PURGE_QUEUE"]
    traced = cimpl.Producer(DEAD)
    assert traced_proxy(traced) is traced


def test_a_client_that_goes_leaves_nothing_behind(world: World) -> None:
    """Not even one whose class forgets to call our __del__, once its address is another's."""
    producer = cimpl.Producer(DEAD)
    producer.produce("t", b"v")
    assert id(producer) in world.recorder.clients
    address = id(producer)
    del producer
    gc.collect()
    assert address not in world.recorder.clients
    assert address not in instances._infos
    assert len(world.spans) == 1, "nobody will report on it"


def test_an_address_used_again_is_another_client(world: World) -> None:
    """A new client is never taken for an old one."""
    producer = cimpl.Producer(DEAD)
    old = world.recorder.clients[id(producer)] = world.client("process")
    instances.configured(producer, instances.info_from({"client.id": "new"}))
    assert instances.client_of(world.recorder, producer, "send") is not old


def test_polling_gives_what_the_client_gives(world: World) -> None:
    """None, and an empty list."""
    consumer = cimpl.Consumer({**DEAD, "group.id": "g"})
    consumer.subscribe(["t"])
    assert consumer.poll(0) is None
    assert consumer.consume(3, 0) == []
    assert answers(consumer, lambda c: c.consume(-1)) == answers(consumer, lambda c: Bare.Consumer.consume(c, -1))
    consumer.close()
    assert answers(consumer, lambda c: c.poll(0)) == (RuntimeError, "Consumer closed")


@pytest.mark.parametrize("others", [[("a", b"1")], []])
def test_our_header_can_be_hidden(world: World, others: list[Any]) -> None:
    """The application sees what it would see without it."""
    header = dict(world.send().headers)[LINEAGE]
    message = _message([*others, (LINEAGE, header)])
    _hide_headers([message])
    assert message.headers() == (others or None)


def test_a_users_header_of_that_name_is_not_hidden() -> None:
    """It does not parse as ours."""
    message = _message([(LINEAGE, b"mine")])
    _hide_headers([message])
    assert message.headers() == [(LINEAGE, b"mine")]


def _message(headers: Any) -> Any:
    try:
        return Message(topic="t", headers=headers)
    except TypeError:
        pytest.skip("messages cannot be made by hand in this version")


def test_errors_of_ours_never_reach_the_caller(
    producer: Any, world: World, monkeypatch: pytest.MonkeyPatch, swallowed: list[Exception]
) -> None:
    """The message goes out as it is."""

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("injected")

    called: list[Any] = []
    for owner, name in ((world.recorder.sends, "_causes"), (world.recorder.receives, "_tracing")):
        monkeypatch.setattr(owner, name, None)
    monkeypatch.setattr(world.recorder, "client", broken)
    producer.produce("t", b"v", on_delivery=lambda *_: called.append(1))
    drop(producer)
    assert called == [1]
    assert {type(error) for error in swallowed} == {ZeroDivisionError}


def test_the_asyncio_producer_carries_our_headers(world: World) -> None:
    """Its buffer remembers where a message came from."""
    aio = pytest.importorskip("confluent_kafka.aio")

    async def run() -> None:
        producer = aio.AIOProducer({**DEAD, "message.timeout.ms": 30})
        world.receive()
        delivery = await producer.produce("t", value=b"v")
        world.ask()
        await producer.flush()
        with pytest.raises(Exception, match="_MSG_TIMED_OUT"):
            await delivery
        await producer.close()

    asyncio.run(run())
    process, send = sorted(world.spans, key=lambda span: span.name)
    assert send.parent_id == process.span_id
