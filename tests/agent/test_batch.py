"""A batch knows which of its messages the application's loop has reached."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from support.memory import Message, World, span_id

from lineage.agent.current import HANDLING, var


def current() -> Any:
    """What a send here would be caused by: a message's span, "batch", or None."""
    from lineage.agent.recorder import switch

    cause = switch.recorder.causes.of_context(var.get())
    return "batch" if cause.role == "batch" else cause.event


@pytest.fixture
def batch(world: World) -> Any:
    """Three messages."""
    return world.consume(Message(), Message(), Message())


def spans(world: World) -> list[Any]:
    return list(world.open.spans())


def test_each_message_is_current_in_its_turn(world: World, batch: Any) -> None:
    """And after the loop the batch as a whole."""
    assert current() == "batch"
    assert [current() for _ in batch] == spans(world)
    assert current() == "batch"


def test_a_span_lasts_from_its_turn_to_the_next(world: World, batch: Any) -> None:
    """One never reached lasts from the receipt to the next request."""
    received = [span.start_time for span in spans(world)]
    first, second, third = spans(world)
    for _ in batch[:2]:
        pass
    assert first.start_time > received[0]
    assert first.end_time <= second.start_time < second.end_time
    world.ask()
    assert (third.start_time, third.end_time > second.end_time) == (received[2], True)
    assert world.spans == [first, second, third]


def test_a_break_ends_the_loop(world: World, batch: Any) -> None:
    """What comes after it belongs to the batch."""
    for _ in batch:
        break
    assert current() == "batch"


def test_an_exception_ends_the_loop(world: World, batch: Any) -> None:
    """The handler around it handles no message."""

    def handle() -> None:
        for _ in batch:
            raise KeyError

    with pytest.raises(KeyError):
        handle()
    assert current() == "batch"


@pytest.mark.parametrize("reach", [lambda batch: batch[1], lambda batch: batch.pop(1)], ids=["index", "pop"])
def test_what_is_taken_out_is_reached(world: World, batch: Any, reach: Any) -> None:
    """By index or by pop."""
    reach(batch)
    assert current() is spans(world)[1]


def test_slices_are_batches(world: World, batch: Any) -> None:
    """Chunks of one."""
    assert [current() for _ in batch[1:]] == spans(world)[1:]


def test_reversed_and_enumerated(world: World, batch: Any) -> None:
    """Other ways through it."""
    assert [current() for _ in reversed(batch)] == spans(world)[::-1]
    assert [current() for _, _ in enumerate(batch)] == spans(world)


def test_sorting_in_place_reaches_nothing(world: World, batch: Any) -> None:
    """And the loop after it goes in the new order."""
    batch.sort(key=lambda message: -message.offset())
    assert current() == "batch"
    assert [current() for _ in batch] == spans(world)[::-1]


def test_nested_loops(world: World, batch: Any) -> None:
    """The inner one counts while it runs, then the outer one's next."""
    seen = [(current(), [current() for _ in batch]) for _ in batch]
    assert seen == [(span, spans(world)) for span in spans(world)]


def test_a_batch_that_ends_with_an_error_event(world: World) -> None:
    """An error is nobody's cause; after the loop the batch still is one."""
    batch = world.consume(Message(), None)
    first = next(world.open.spans())
    assert [current() for _ in batch] == [first, None]
    assert current() == "batch"


def test_a_batch_of_error_events_stays_a_list(world: World) -> None:
    """There is nothing to trace."""
    assert type(world.consume(None, None)) is list
    assert current() is None


def test_a_batch_fetched_ahead(world: World) -> None:
    """The next one was asked for before this one was handled: each still counts in its turn, and the whole after the loop."""
    batch = world.consume(Message(), Message())
    handled = spans(world)
    world.consume(Message())
    assert [current() for _ in batch] == handled
    assert current() == "batch"
    world.ask()
    assert current() is None
    assert len(world.spans) == 3


def test_what_was_fetched_ahead_is_over_when_the_loop_moves_on(world: World) -> None:
    """A thread that was started in its turn must not keep it for ever."""
    batch = world.consume(Message(), Message())
    world.ask()
    captured = [var.get().get(HANDLING) for _ in batch]
    assert all(handling.end_time for handling in captured)


def test_a_poll_in_the_loop_ends_the_batch(world: World, batch: Any) -> None:
    """After the loop nothing of it is current."""
    for _ in batch:
        world.ask()
    assert current() is None


def test_it_still_is_a_list(batch: Any) -> None:
    """For whoever looks at it, copies or pickles it."""
    batch = batch[:0]
    assert isinstance(batch, list)
    assert batch == []
    assert type(copy.copy(batch)) is type(batch.copy()) is type(pickle.loads(pickle.dumps(batch))) is list


def test_what_a_batch_sends_links_to_all_of_it(world: World, batch: Any) -> None:
    """The last is the parent; the role says that each is only possible."""
    first, second, third = spans(world)
    send = world.send()
    assert send.parent_id == third.span_id
    assert [span_id(link.context.span_id) for link in send.links] == [first.span_id, second.span_id]
    assert {link.attributes["lineage.role"] for link in send.links} == {send.extra["lineage.role"]} == {"batch"}
