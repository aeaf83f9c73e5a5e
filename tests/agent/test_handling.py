"""``lineage.handling``: the user says what no evidence can show."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.memory import Message, World, span_id

import lineage
from lineage.agent import recorder


@pytest.fixture
def messages(world: World) -> list[Any]:
    """Two messages, with their spans; the second is being handled."""
    found = []
    for _ in range(2):
        message = world.receive()
        message.span = world.open
        found.append(message)
    return found


def test_one_message(world: World, messages: list[Any]) -> None:
    """Whatever else is handled, and only in the block."""
    with lineage.handling(messages[0]):
        inside = world.send()
    assert (inside.parent_id, inside.links) == (messages[0].span.span_id, ())
    assert world.send().parent_id == messages[1].span.span_id


def test_several_messages(world: World, messages: list[Any]) -> None:
    """The last is the parent, the others are inputs."""
    with lineage.handling(*messages):
        send = world.send()
    assert send.parent_id == messages[1].span.span_id
    assert [span_id(link.context.span_id) for link in send.links] == [messages[0].span.span_id]
    assert send.extra["lineage.input.count"] == 2


def test_a_message_named_twice_is_no_link_to_the_own_parent(world: World, messages: list[Any]) -> None:
    """Jaeger would drop the parent edge."""
    with lineage.handling(messages[0], messages[0]):
        send = world.send()
    assert (send.links, send.extra["lineage.input.count"]) == ([], 1)


def test_nothing(world: World, messages: list[Any]) -> None:
    """A heartbeat in the loop."""
    with lineage.handling():
        assert world.send().parent_id == b""


def test_nothing_in_a_delivery_callback(world: World, messages: list[Any]) -> None:
    """Neither the send that is reported on nor the message that it was made for."""
    found = []

    def callback(*_: Any) -> None:
        with lineage.handling():
            found.append(world.send())

    world.sent(callback=callback)
    assert found[0].parent_id == b""


def test_unknown_messages_are_left_out(world: World, messages: list[Any]) -> None:
    """Rather no edge than a false one."""
    with lineage.handling(Message(), None, "text"):
        assert world.send().parent_id == b""


def test_nested_blocks(world: World, messages: list[Any]) -> None:
    """The inner one counts."""
    with lineage.handling(messages[1]):
        with lineage.handling(messages[0]):
            assert world.send().parent_id == messages[0].span.span_id
        assert world.send().parent_id == messages[1].span.span_id


def test_left_in_another_context(world: World, messages: list[Any]) -> None:
    """An asynchronous generator may be closed elsewhere: nothing is raised."""
    block = lineage.handling(messages[0])

    async def enter() -> None:
        block.__enter__()

    asyncio.run(enter())
    block.__exit__(None, None, None)


def test_without_the_agent_it_does_nothing() -> None:
    """And errors of the application pass."""
    assert recorder.active() is None
    with pytest.raises(KeyError), lineage.handling("anything"):
        raise KeyError
