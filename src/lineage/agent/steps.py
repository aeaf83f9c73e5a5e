"""Transform steps: a span around each function of the user's that a library calls for a message.

A patch makes a ``Template`` of the function once (``step_template``), then ``enter`` before each call and ``leave`` after it, or
``iterate`` over what a lazy function gave. The span is current in between, so what the function reads, writes and sends is below
it. Outside of any event, and where steps are suppressed (``LINEAGE_SPANS_SUPPRESS=step``, ``LINEAGE_SPANS_SUPPRESS_NAMES=enrich``),
there is none, and all of that is below the span around it. None of these functions raises but what the user's own code raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import time_ns
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from lineage.agent.causes import Causes
from lineage.agent.current import SPAN, SUPPRESSED, var
from lineage.agent.guard import guarded
from lineage.agent.links import link_contributors
from lineage.agent.settings import Settings
from lineage.agent.spans import LightSpan, Template
from lineage.agent.tracing import Tracing, end, fail
from lineage.model import semconv
from lineage.model.contributors import Contributors


class StepSpan(LightSpan):
    """A step. ``token`` puts back what was current before it."""

    __slots__ = ("token",)

    token: Any

    def end(self, end_time: int | None = None) -> None:
        """Nothing: a step ends when its function returns."""


def step_template(function: Any, kind: str) -> Template:
    """What all spans of this step have in common; ``kind`` is what the library calls it (apply, filter)."""
    while (inner := getattr(function, "func", None) or getattr(function, "__wrapped__", None)) is not None:
        function = inner  # of functools.partial and functools.wraps
    qualname = getattr(function, "__qualname__", None) or type(function).__qualname__
    name = qualname.rpartition("<locals>.")[2].replace("<lambda>", "lambda")
    attributes = {semconv.STEP: kind, semconv.FUNCTION: f"{getattr(function, '__module__', None)}.{qualname}"}
    code = getattr(function, "__code__", None)
    if code is not None:
        attributes[semconv.FUNCTION_LINE] = code.co_firstlineno
    return Template(name, SpanKind.INTERNAL, attributes)


class Steps:
    """Records steps and makes them current."""

    def __init__(self, settings: Settings, tracing: Tracing, causes: Causes) -> None:
        self._tracing = tracing
        self._causes = causes
        self._suppressed = semconv.STEP_KIND in settings.suppressed
        self._names = settings.suppressed_names

    @guarded
    def enter(self, template: Template, contributors: Contributors | None = None) -> StepSpan | None:
        """The step begins, or None if it is not recorded; what it works on is made of all the ``contributors``."""
        context = var.get()
        # A fan-in is told nowhere else: it is no mere step.
        hidden = (self._suppressed or template.name in self._names) and contributors is None
        if hidden or not context or context.get(SUPPRESSED):
            return None
        parent = self._causes.of_context(context).parent
        if parent is None or not parent.span_id:
            return None
        span = StepSpan.__new__(StepSpan)
        self._tracing.begin(span, template, parent, context, time_ns())
        span.partition = span.offset = span.size = span.timestamp = span.key = None
        if contributors is not None:
            link_contributors(span, contributors)
        self._tracing.started(span, context)
        span.token = var.set(Context({**context, SPAN: span}))
        return span

    @guarded
    def leave(self, span: StepSpan, error: BaseException | None = None) -> None:
        """The function has returned, or raised: the type of the error is recorded, its message may tell of values."""
        self.pause(span)
        if error is not None:
            fail(span, type(error).__qualname__, type(error).__qualname__)
        end(span)

    @guarded
    def pause(self, span: StepSpan) -> None:
        """Something else runs for now. Whoever made something current in between must not be undone."""
        if span.token is not None and var.get().get(SPAN) is span:
            var.reset(span.token)
        span.token = None

    @guarded
    def resume(self, span: StepSpan) -> None:
        """The function goes on."""
        span.token = var.set(Context({**var.get(), SPAN: span}))

    def iterate(self, span: StepSpan, items: Iterable[Any]) -> Iterator[Any]:
        """Go on with what a lazy step gave: its own code runs in the step, who takes the items does not."""
        error: BaseException | None = None
        try:
            self.resume(span)
            iterator = iter(items)
            while True:
                item = next(iterator)
                self.pause(span)
                yield item
                self.resume(span)
        except StopIteration:
            return
        except GeneratorExit:
            raise
        except BaseException as raised:
            error = raised
            raise
        finally:
            self.leave(span, error)
