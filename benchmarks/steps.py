"""What each step of ours takes, in one process and without Kafka, beside its budget: here a regression shows first.

Also a program of its own: python benchmarks/steps.py
"""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from time import process_time
from typing import Any, NamedTuple

from tables import met, table

NUMBER, REPEAT, BATCH = 10_000, 7, 500

Work = tuple[list[Any], Callable[[Any], object]]
"""What is prepared, and what to do with each of it: only that is timed."""


class Step(NamedTuple):
    """One step: its budget in CPU us, what its agent is given, and how it is prepared with such an agent."""

    name: str
    budget: float
    given: dict[str, Any]
    prepare: Callable[[Any], Work]


_steps: list[Step] = []


def measure(_: object) -> list[str]:
    """In a process of its own: this one must stay small, as each process that is measured begins with its memory."""
    return subprocess.run([sys.executable, __file__], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()


def main() -> None:
    """Print the table."""
    rows = [[step.name, step.budget, f"{taken:.2f}", met(taken, step.budget)] for step, taken in _timed()]
    about = f"CPU us of each step, in process; the least of {REPEAT} times {NUMBER:,}."
    sys.stdout.write("\n".join([about, "", *table(("step", "budget", "measured", ""), rows), ""]))


def _timed() -> Iterator[tuple[Step, float]]:
    from steps_agent import Agent

    for step in _steps:
        # A fresh agent each time, so that no step pays for what another left behind.
        yield step, min(_time(*step.prepare(Agent(**step.given))) for _ in range(REPEAT))


def _time(items: list[Any], do: Callable[[Any], object]) -> float:
    # Nor for looking through what was prepared.
    gc.collect()
    gc.freeze()
    begin = process_time()
    for item in items:
        do(item)
    taken = process_time() - begin
    gc.unfreeze()
    return taken / NUMBER * 1e6


def _step(name: str, budget: float, **given: Any) -> Callable[[Callable[[Any], Work]], Callable[[Any], Work]]:
    def register(prepare: Callable[[Any], Work]) -> Callable[[Any], Work]:
        _steps.append(Step(name, budget, given, prepare))
        return prepare

    return register


# The budgets. A produce may add 7 us: start, report and export, what the library takes for longer messages, and what
# the patch and the interpreter add; a poll 9. Sampled out 2.5, nothing traced 0.15 with the patch.


@_step("send: topic excluded", 0.1, exclude="*")
@_step("send: start, sampled out", 1.5, ratio=0.0)
@_step("send: start, with its headers", 2.5)
def _send(agent):
    return [None] * NUMBER, agent.send


@_step("send: start, with 5 headers of the application", 3.5)
def _send_headers(agent):
    own = [(f"header-{number}", b"some value") for number in range(5)]
    return [own] * NUMBER, agent.send


@_step("send: delivery report", 0.8)
def _report(agent):
    return agent.started(NUMBER), agent.report


@_step("receive one, topic excluded, until the next request", 0.2, exclude="*")
@_step("receive one, sampled out, until the next request", 1.5, ratio=0.0)
@_step("receive one, until the next request", 4.5)
def _receive(agent):
    return agent.messages(NUMBER), agent.receive


@_step("receive one, without context, until the next request", 4.0)
def _receive_foreign(agent):
    return agent.messages(NUMBER, context=False), agent.receive


@_step("receive 500, each of them, until the next request", 3.5)
def _receive_batch(agent):
    messages = agent.messages(NUMBER)
    return [messages[first : first + BATCH] for first in range(0, NUMBER, BATCH)], agent.receive_batch


@_step("next request with nothing open", 0.2)
def _next_request(agent):
    return [None] * NUMBER, agent.next_request


@_step("encode a send", 1.3)
def _encode_send(agent):
    return agent.ended_sends(NUMBER), agent.encode


@_step("encode a process", 1.5)
def _encode_process(agent):
    return agent.ended_receives(NUMBER), agent.encode


@_step("export a send: queue, encode, hand over", 1.8)
def _export(agent):
    add, flush = agent.exporter()
    # The last one waits until all are handed over.
    return [*agent.ended_sends(NUMBER), None], lambda span: flush() if span is None else add(span)


# Last, as they leave a message that is being handled.


@_step("state: put into a mapping", 8.0)
def _state_put(agent):
    totals = agent.state()
    return list(range(NUMBER)), lambda key: totals.__setitem__(key, key)


@_step("state: get from a mapping", 6.0)
def _state_get(agent):
    totals = agent.state()
    totals.update(zip(range(NUMBER), range(NUMBER), strict=True))
    return list(range(NUMBER)), totals.__getitem__


if __name__ == "__main__":
    main()
