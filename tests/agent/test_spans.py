"""Light spans are OpenTelemetry spans to everybody else."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from support.memory import World

from lineage.agent.spans import readable

RESOURCE = Resource({"service.name": "tests"})


@pytest.fixture
def span(world: World) -> Any:
    """A process span that is current."""
    world.receive()
    return world.open


def test_it_is_the_current_span(span: Any) -> None:
    """For everyone who asks OpenTelemetry."""
    assert trace.get_current_span() is span
    assert span.get_span_context().is_valid
    assert span.is_recording()


def test_spans_of_the_application_are_its_children(span: Any) -> None:
    """Any tracer of the SDK."""
    with TracerProvider().get_tracer("app").start_as_current_span("work") as child:
        assert child.parent == span.get_span_context()
        assert child.get_span_context().trace_id == span.context.trace_id
    assert trace.get_current_span() is span


def test_attributes_are_kept(span: Any) -> None:
    """One, several, and the last value of a name."""
    span.set_attribute("a", 1)
    span.set_attributes({"a": 2, "b": ["x", "y"]})
    assert (span.attributes["a"], span.attributes["b"]) == (2, ["x", "y"])


@pytest.mark.parametrize(
    ("key", "value"), [("", 1), (1, 1), (None, 1), ("a", None), ("a", object()), ("a", [object()])]
)
def test_what_is_no_attribute_is_left_out(span: Any, key: Any, value: Any) -> None:
    """As the SDK does."""
    span.set_attribute(key, value)
    assert not span.extra


def test_a_span_grows_to_a_limit(span: Any) -> None:
    """OpenTelemetry's default: 128 attributes and links, and the last 128 events."""
    for number in range(200):
        span.set_attribute(f"a{number}", number)
        span.add_event(f"e{number}")
        span.add_link(SpanContext(1, 1 + number, False))
    assert (len(span.extra), len(span.events), len(span.links)) == (128, 128, 128)
    assert span.events[-1].name == "e199"


@pytest.mark.parametrize(
    ("set_", "expected"),
    [
        ([(StatusCode.ERROR, "bad")], Status(StatusCode.ERROR, "bad")),
        ([(StatusCode.OK, None), (StatusCode.ERROR, "late")], Status(StatusCode.OK)),
        ([(StatusCode.ERROR, "bad"), (StatusCode.UNSET, None)], Status(StatusCode.ERROR, "bad")),
        ([(Status(StatusCode.OK), None)], Status(StatusCode.OK)),
        ([], Status()),
    ],
)
def test_status_is_set_as_the_sdk_does(span: Any, set_: list[Any], expected: Status) -> None:
    """OK is final, and UNSET is ignored."""
    sdk = TracerProvider().get_tracer("app").start_span("same")
    for status, description in set_:
        span.set_status(status, description)
        sdk.set_status(status, description)
    for status in (readable(span, RESOURCE).status, sdk.status):
        assert (status.status_code, status.description) == (expected.status_code, expected.description)


def test_an_exception_is_an_event(span: Any) -> None:
    """With type, message and stack trace."""
    with pytest.raises(ValueError, match="wrong") as raised:
        int("wrong")
    span.record_exception(raised.value, {"more": 1})
    (event,) = span.events
    assert event.name == "exception"
    assert event.attributes["exception.type"] == "ValueError"
    assert event.attributes["more"] == 1
    assert 'int("wrong")' in event.attributes["exception.stacktrace"]


def test_what_comes_after_the_end_changes_nothing(world: World, span: Any) -> None:
    """The span may be encoded already."""
    world.ask()
    span.set_attribute("late", 1)
    span.add_event("late")
    span.update_name("late")
    assert not span.extra
    assert not span.events
    assert span.name == "process orders"


def test_the_application_cannot_end_it(world: World, span: Any) -> None:
    """A handling ends when the consumer is asked for the next message."""
    with trace.use_span(span, end_on_exit=True):
        pass
    span.end()
    assert span.is_recording()
    world.ask()
    assert world.spans == [span]


def test_readable_is_what_exporters_expect(world: World, span: Any) -> None:
    """The SDK's read-only form, of all of it."""
    span.update_name("renamed")
    world.ask()
    read = readable(span, RESOURCE)
    assert (read.name, read.kind, read.resource) == ("renamed", SpanKind.CONSUMER, RESOURCE)
    assert read.attributes["messaging.destination.partition.id"] == "0"
    assert read.end_time > read.start_time
    assert '"renamed"' in read.to_json()


def test_processors_of_the_application_get_it() -> None:
    """At its start and, read-only, at its end; what they read of an SDK span is there."""
    seen: dict[str, Any] = {}

    class Processor(SimpleSpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            span.set_attribute("seen", True)
            names = (
                "name",
                "kind",
                "parent",
                "context",
                "attributes",
                "resource",
                "start_time",
                "status",
                "links",
                "events",
            )
            seen.update({name: getattr(span, name) for name in names})

    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(Processor(exporter))
    World(provider).sent()
    (ended,) = exporter.get_finished_spans()
    assert ended.attributes["seen"] is True
    assert (seen["name"], seen["resource"], seen["context"]) == ("send orders", RESOURCE, ended.context)
    assert ended.context.trace_flags == TraceFlags.SAMPLED


def test_a_processor_that_fails_hurts_no_other(swallowed: list[Exception]) -> None:
    """Nor the application, nor our exporter."""

    class Broken(SimpleSpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            raise RuntimeError("start")

        def on_end(self, span: Any) -> None:
            raise RuntimeError("end")

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(Broken(exporter))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    world = World(provider)
    world.sent()
    assert (len(world.spans), len(exporter.get_finished_spans()), len(swallowed)) == (1, 1, 2)
