"""Steps: a span around each function of the user's."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from time import time_ns
from typing import Any

import pytest
from opentelemetry.trace import StatusCode, get_current_span
from support.memory import World

from lineage.agent.settings import Patterns
from lineage.agent.steps import step_template
from lineage.model.contributors import Contributors


def enrich(value: Any) -> Any:
    return value


class Enricher:
    """A user's class."""

    def run(self, value: Any) -> Any:
        return value

    def __call__(self, value: Any) -> Any:
        return value


def nested() -> Any:
    def inner(value: Any) -> Any:
        return value

    return inner


STEP = step_template(enrich, "apply")


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (enrich, "enrich"),
        (nested(), "inner"),
        (lambda value: value, "lambda"),
        (Enricher().run, "Enricher.run"),
        (Enricher(), "Enricher"),
        (functools.partial(functools.partial(enrich), 1), "enrich"),
        (len, "len"),
    ],
)
def test_a_step_is_named_after_the_function(function: Any, name: str) -> None:
    """As a reader of the code knows it."""
    assert step_template(function, "apply").name == name


def test_attributes_say_where_the_function_is() -> None:
    """Two lambdas are told apart by their lines."""
    attributes = step_template(lambda value: value, "filter").attributes
    assert attributes["lineage.step"] == "filter"
    assert str(attributes["code.function.name"]).endswith("<lambda>")
    assert attributes["code.line.number"] > 0


def test_what_happens_in_a_step_is_below_it(world: World) -> None:
    """Sends, reads and the application's own spans; afterwards the message is current again."""
    world.receive()
    steps = world.recorder.steps
    span = steps.enter(STEP)
    assert get_current_span() is span
    send = world.send()
    world.recorder.states.got(world.recorder.states.store("totals", "memory"), None, time_ns(), found=False)
    steps.leave(span)
    assert (send.parent_id, world.spans[0].parent_id, span.parent_id) == (
        span.span_id,
        span.span_id,
        world.open.span_id,
    )
    assert get_current_span() is world.open
    assert world.send().parent_id == world.open.span_id


def test_the_message_stays_the_event(world: World) -> None:
    """How far it has come goes on to what a step sends."""
    world.receive(world.sent().headers)
    world.recorder.steps.enter(STEP)
    assert world.send().hops == world.open.hops + 1


def test_an_error_is_recorded_by_its_type(world: World) -> None:
    """Its text may tell of values."""
    world.receive()
    span = world.recorder.steps.enter(STEP)
    world.recorder.steps.leave(span, KeyError("secret"))
    assert span.attributes["error.type"] == "KeyError"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "KeyError")


def test_outside_of_any_event_there_is_no_step(world: World) -> None:
    """Nor after one."""
    assert world.recorder.steps.enter(STEP) is None


@pytest.mark.parametrize("settings", [{"suppressed": frozenset(("step",))}, {"suppressed_names": Patterns("enr*")}])
def test_suppressed_steps_leave_their_children_to_the_message(make: Any, settings: Any) -> None:
    """By kind or by name."""
    world = make(**settings)
    world.receive()
    assert world.recorder.steps.enter(STEP) is None
    assert world.send().parent_id == world.open.span_id


def test_a_fan_in_is_told_even_so(make: Any) -> None:
    """Nothing else says what a window's result was made of."""
    world = make(suppressed=frozenset(("step",)))
    contributors = Contributors().plus(b"t" * 16 + b"s" * 8, "orders", 0, 5).plus(b"t" * 16 + b"u" * 8, "orders", 0, 9)
    world.receive()
    span = world.recorder.steps.enter(STEP, contributors)
    assert [link.attributes for link in span.links] == [{"lineage.role": "input"}] * 2
    assert (span.extra["lineage.input.count"], span.extra["lineage.input.ranges"]) == (2, ["orders/0/5-9"])


def test_a_new_message_within_a_step_stays_current(world: World) -> None:
    """The step was left behind: its end must not bring the older message back."""
    world.receive()
    span = world.recorder.steps.enter(STEP)
    world.receive()
    world.recorder.steps.leave(span)
    assert get_current_span() is world.open


def lazy(seen: list[Any]) -> Iterator[int]:
    for number in range(3):
        seen.append(get_current_span())
        yield number


def test_a_lazy_step_is_current_only_while_it_works(world: World) -> None:
    """What is done with its items is not in it; it ends with the last of them."""
    world.receive()
    steps, seen, outside = world.recorder.steps, [], []
    span = steps.enter(STEP)
    steps.pause(span)
    for _ in steps.iterate(span, lazy(seen)):
        outside.append(get_current_span())
        assert not span.end_time
    assert seen == [span] * 3
    assert outside == [world.open] * 3
    assert world.spans[-1] is span


def test_a_lazy_step_that_fails_raises_the_same(world: World) -> None:
    """And is an error span; an abandoned one just ends."""
    world.receive()
    steps = world.recorder.steps

    def failing() -> Iterator[int]:
        yield 1
        raise KeyError("secret")

    for expected in ("KeyError", None):
        span = steps.enter(STEP)
        steps.pause(span)
        items = steps.iterate(span, failing())
        next(items)
        if expected:
            with pytest.raises(KeyError):
                next(items)
        else:
            items.close()
        assert span.attributes.get("error.type") == expected
        assert span.end_time
        assert get_current_span() is world.open
