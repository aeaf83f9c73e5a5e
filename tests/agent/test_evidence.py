"""Which message an object or a header belongs to: certain, or unknown."""

from __future__ import annotations

import sys
from collections import deque
from threading import Thread
from typing import Any

import pytest
from support.memory import World, copied, traceparent


def tagged(number: int) -> list[tuple[str, bytes]]:
    return [("traceparent", traceparent(7, number)), ("note", b"text-%d" % number)]


@pytest.fixture
def seen(world: World) -> list[Any]:
    """Two messages, handled; nothing is current any more."""
    messages = []
    for number in (1, 2):
        message = world.receive(tagged(number), b"value-%d" % number)
        messages.append((message, world.open))
    world.ask()
    return messages


def test_the_very_value_object_is_known(world: World, seen: list[Any]) -> None:
    """And an equal one is not."""
    (message, span), _ = seen
    assert world.recorder.evidence.of_value(message.content) is span
    assert world.recorder.evidence.of_value(bytes(bytearray(message.content))) is None


@pytest.mark.parametrize("shared", [None, b"", b"x", "text"])
def test_shared_objects_are_no_evidence(world: World, shared: Any) -> None:
    """CPython has one object for all of them."""
    world.receive(value=shared)
    assert world.recorder.evidence.of_value(shared) is None


@pytest.mark.parametrize("how", [list, copied, lambda pairs: [(name, value.decode()) for name, value in copied(pairs)]])
def test_forwarded_headers_are_known(world: World, seen: list[Any], how: Any) -> None:
    """The same objects, copies, or texts."""
    (message, span), _ = seen
    assert world.recorder.evidence.of_headers(how(message.pairs), None) is span


def test_a_message_put_into_a_header_is_known(world: World, seen: list[Any]) -> None:
    """What could not be handled is often put aside like this."""
    (message, span), _ = seen
    assert world.recorder.evidence.of_headers([("why", b"broken"), ("what", message.content)], None) is span


def test_headers_without_a_context_are_known_by_identity(world: World) -> None:
    """Nobody upstream was traced."""
    message = world.receive([("note", b"untraced")])
    assert world.recorder.evidence.of_headers(message.pairs, None) is world.open
    assert world.recorder.evidence.of_headers(copied(message.pairs), None) is None


def test_one_context_on_many_messages_is_ambiguous(world: World) -> None:
    """A producer without an agent may do that: the one that is handled, or none."""
    world.receive(copied(tagged(1)))
    first = world.open
    message = world.receive(copied(tagged(1)))
    evidence, headers = world.recorder.evidence, copied(tagged(1))
    assert evidence.of_headers(headers, world.open) is world.open
    assert evidence.of_headers(headers, None) is None
    assert evidence.of_headers(headers, world.send()) is None, "a send is no message"
    assert evidence.of_headers(message.pairs, first) is world.open, "the very object decides"


def test_a_message_object_is_known(world: World, seen: list[Any]) -> None:
    """For `handling`."""
    assert [world.recorder.evidence.of_message(message) for message, _ in seen] == [span for _, span in seen]
    assert world.recorder.evidence.of_message(object()) is None


@pytest.mark.parametrize(
    "settings", [{"remembered_messages": 1}, {"remembered_bytes": 30}, {"remembered_messages": 0}], ids=str
)
def test_memory_is_bounded(make: type[World], settings: Any) -> None:
    """By number and by bytes; what is forgotten is forgotten altogether."""
    world = make(**settings)
    messages = [world.receive(None, b"%020d" % number) for number in range(5)]
    evidence = world.recorder.evidence
    known = [evidence.of_value(message.content) is not None for message in messages]
    assert known == [False] * 4 + [settings.get("remembered_messages") != 0]
    assert len(evidence._values) == len(evidence._order) == sum(known)


def test_headers_count_as_memory(make: type[World]) -> None:
    """A message is kept alive with them."""
    world = make(remembered_bytes=100_000)
    for number in range(50):
        world.receive([("traceparent", traceparent(1, 1 + number)), ("big", bytes(10_000))], b"small")
    evidence = world.recorder.evidence
    evidence.of_headers([], None)
    assert len(evidence._order) == len(evidence._headers.texts) < 10
    evidence.clear()
    assert evidence._bytes == 0


def test_forgetting_one_of_many_keeps_the_others(make: type[World]) -> None:
    """The count goes down to the last, which then is certain."""
    world = make(remembered_messages=2)
    for _ in range(3):
        world.receive(copied(tagged(1)))
    assert world.recorder.evidence.of_headers(copied(tagged(1)), None) is None
    world.receive(copied(tagged(2)))
    assert world.recorder.evidence._headers.texts[tagged(1)[0][1]][0] == 1


@pytest.mark.parametrize("index", ["_index_values", "_index_headers"])
def test_what_is_consumed_while_an_index_is_made_is_in_it_once(
    make: type[World], monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    """Another thread may consume meanwhile, and have the oldest forgotten."""
    world = make(remembered_messages=3)
    evidence = world.recorder.evidence
    old = [world.receive(copied(tagged(number)), b"value-%d" % number) for number in range(3)]
    new: list[Any] = []

    class Order(deque[Any]):
        """Consumes once more behind each look."""

        def copy(self) -> Any:
            before = deque(self)
            if len(new) < 3:
                number = 3 + len(new)
                new.append(world.receive(copied(tagged(number)), b"value-%d" % number))
            return before

    evidence._order = Order(evidence._order)
    getattr(evidence, index)()
    assert len(new) == 3
    known = [evidence.of_value(message.content) is not None for message in [*old, *new]]
    assert known == [False] * 3 + [True] * 3
    assert all(evidence.of_headers(copied(message.pairs), None) for message in new)
    assert not any(evidence.of_headers(copied(message.pairs), None) for message in old)
    assert [count for count, _ in evidence._headers.texts.values()] == [1] * 3
    assert len(evidence._values) == len(evidence._headers.proofs) == 3


@pytest.mark.parametrize("remembered", [10_000, 2000])
def test_threads_find_what_they_consume(make: type[World], remembered: int) -> None:
    """While the others consume, and have old messages forgotten; no message is forgotten by half."""
    world = make(remembered_messages=remembered)
    evidence = world.recorder.evidence
    found: list[bool] = []

    def forward(consumer: Any, first: int) -> None:
        for number in range(first, first + 1000):
            message = world.receive(copied(tagged(number)), b"value-%d" % number, consumer)
            known = evidence.of_headers(copied(message.pairs), None), evidence.of_value(message.content)
            found.append(known == (consumer.open, consumer.open))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [Thread(target=forward, args=(world.client("process"), 10_000 * one)) for one in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    if remembered == 10_000:
        assert all(found)
    assert len(evidence._order) == min(remembered, 4000)
    assert (
        len(evidence._values) == len(evidence._headers.proofs) == len(evidence._headers.texts) == len(evidence._order)
    )
    assert {count for count, _ in evidence._headers.texts.values()} == {1}
