"""What a pool's thread polled is handed to the task that asked, and never another's."""

from __future__ import annotations

from support.memory import Message, World

from lineage.agent.adoption import adopt


def test_a_message_is_handled_where_it_was_asked_for(world: World) -> None:
    """Not in the pool's thread."""
    message = world.receive()
    assert adopt(world.instances[1], message) is message
    assert world.send().parent_id == world.open.span_id


def test_two_tasks_of_one_consumer_get_no_message_of_the_other(world: World) -> None:
    """The second polled before the first went on: what is open is not what the first got."""
    first = world.receive()
    world.receive()
    assert adopt(world.instances[1], first) is first
    assert world.send().parent_id == b""


def test_a_batch_of_the_other_task_is_not_ours(world: World) -> None:
    """The same for lists."""
    first = list.copy(world.consume(Message()))
    world.consume(Message())
    assert adopt(world.instances[1], first) is first
    assert world.send().parent_id == b""


def test_a_copied_batch_is_a_batch_again(world: World) -> None:
    """A library deserialized its messages into a list of its own."""
    batch = world.consume(Message(), Message())
    again = adopt(world.instances[1], list(batch))
    assert [world.send().parent_id for _ in again] == [span.span_id for span in world.open.spans()]


def test_nothing_is_handled_after_an_empty_poll(world: World) -> None:
    """None, or an empty list."""
    world.receive()
    assert adopt(world.instances[1], None) is None
    assert adopt(world.instances[1], []) == []
    assert world.send().parent_id == b""
