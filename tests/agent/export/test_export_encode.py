"""What we write by hand, read with OpenTelemetry's own protobuf."""

import math

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from support.memory import span_id, trace_id

from lineage.agent.export.encode import encode
from lineage.agent.export.sdk import LIGHT_SCOPE, encode_readable, encode_request, encode_resource, encode_scope
from lineage.agent.spans import LightSpan, Template, readable

texts = st.text(max_size=200)
clean = st.text(st.characters(exclude_categories=["Cs"]), max_size=150)
numbers = st.integers(0, 2**63 - 1)
hostile = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    texts,
    st.binary(max_size=20),
    st.builds(object),
    st.builds(bytearray),
)
values = st.recursive(
    hostile,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.tuples(inner), st.dictionaries(texts, inner, max_size=3)),
)
attribute_maps = st.dictionaries(texts, values, max_size=4)
numbers_of_spans = st.integers(1, 2**64 - 1)
trace_ids = st.binary(min_size=16, max_size=16).filter(any)
ids = st.binary(min_size=8, max_size=8).filter(any)
contexts = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    numbers_of_spans,
    st.booleans(),
    st.sampled_from([TraceFlags(0), TraceFlags(1)]),
)
link_lists = st.lists(st.builds(Link, contexts, attribute_maps), max_size=3)
event_lists = st.lists(st.builds(Event, texts, attribute_maps, numbers), max_size=3)


@st.composite
def light_spans(draw: st.DrawFn) -> LightSpan:
    span = LightSpan()
    name, kind = draw(clean), draw(st.sampled_from(SpanKind))
    span.template = Template(name, kind, draw(st.dictionaries(clean, clean, max_size=3)))
    span.trace_id, span.span_id, span.parent_id = draw(trace_ids), draw(ids), draw(st.just(b"") | ids)
    span.sampled, span.finish = True, None
    span.state = draw(st.none() | st.just(TraceState([("a", "1"), ("b", "2")])))
    span.start_time, span.end_time = draw(numbers), draw(numbers)
    span.partition = draw(st.none() | st.integers(-1, 2**31 - 1) | st.integers(0, 600))
    span.offset, span.size, span.timestamp = (draw(st.none() | numbers | st.integers(0, 99_999)) for _ in range(3))
    span.key = draw(st.none() | clean)
    if draw(st.booleans()):
        span.extra, span.links, span.events = draw(attribute_maps), draw(link_lists), draw(event_lists)
        span.rare.renamed = draw(st.none() | clean)
        span.status = draw(st.none() | st.builds(Status, st.just(StatusCode.ERROR), clean))
    return span


def decoded(encoded: bytes) -> Span:
    (span,) = ScopeSpans.FromString(encoded).spans
    return span


def plain(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


def as_dict(pairs: list[KeyValue]) -> dict[str, object]:
    return {pair.key: plain(pair.value) for pair in pairs}


def expected(value: object) -> object:
    """What a receiver should get for an attribute."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, dict):
        return {expected(key): expected(item) for key, item in value.items()}
    return [expected(item) for item in value] if isinstance(value, (list, tuple)) else str(value)


def same(got: object, wanted: object) -> bool:
    if isinstance(wanted, float):
        return isinstance(got, float) and (got == wanted or (math.isnan(got) and math.isnan(wanted)))
    if isinstance(wanted, list):
        return isinstance(got, list) and len(got) == len(wanted) and all(map(same, got, wanted))
    if isinstance(wanted, dict):
        return (
            isinstance(got, dict) and got.keys() == wanted.keys() and all(same(got[key], wanted[key]) for key in wanted)
        )
    return type(got) is type(wanted) and got == wanted


@given(light_spans())
def test_light_spans_read_back_as_written(span: LightSpan) -> None:
    """Every field of a light span arrives."""
    got = decoded(encode(span))
    assert got.trace_id == span.trace_id
    assert got.span_id == span.span_id
    assert got.parent_span_id == span.parent_id
    assert got.name == span.name
    assert got.kind == span.template.kind.value + 1
    assert (got.start_time_unix_nano, got.end_time_unix_nano) == (span.start_time, span.end_time)
    assert got.trace_state == ("a=1,b=2" if span.state else "")
    assert got.flags == (0x301 if span.template.kind is SpanKind.CONSUMER else 1)
    assert same(as_dict(got.attributes), expected(span.all_attributes()))
    assert (got.status.code, got.status.message) == (
        (span.status.status_code.value, span.status.description or "") if span.status else (0, "")
    )


@given(link_lists, event_lists)
def test_links_and_events_read_back_as_written(links: list[Link], events: list[Event]) -> None:
    """With their own attributes and flags."""
    span = light()
    span.links, span.events = links, events
    got = decoded(encode(span))
    for one, link in zip(got.links, links, strict=True):
        assert int.from_bytes(one.trace_id, "big") == link.context.trace_id
        assert int.from_bytes(one.span_id, "big") == link.context.span_id
        assert one.flags == link.context.trace_flags | (0x300 if link.context.is_remote else 0x100)
        assert same(as_dict(one.attributes), expected(dict(link.attributes or {})))
    for one, event in zip(got.events, events, strict=True):
        assert one.name == expected(event.name)
        assert one.time_unix_nano == event.timestamp
        assert same(as_dict(one.attributes), expected(dict(event.attributes or {})))


def light() -> LightSpan:
    span = LightSpan()
    span.template = Template("send t", SpanKind.PRODUCER, {"messaging.system": "kafka"})
    span.trace_id, span.span_id, span.parent_id = trace_id(1), span_id(2), span_id(3)
    span.start_time, span.end_time = 10, 20
    span.partition = span.offset = span.size = span.timestamp = span.key = None
    return span


@given(st.lists(values | st.integers(), min_size=7, max_size=7))
def test_hostile_values_never_raise(wild: list[object]) -> None:
    """Whatever stands in the slots, the span is encoded, and readable."""
    span = light()
    names = ("start_time", "end_time", "partition", "offset", "key", "size", "timestamp")
    for name, value in zip(names, wild, strict=True):
        setattr(span, name, value)
    assert decoded(encode(span)).name == "send t"


def test_hostile_objects_are_replaced() -> None:
    """An object that cannot even be shown, and a list within itself."""

    class Wild:
        def __str__(self) -> str:
            raise RuntimeError

    endless: list[object] = []
    endless.append(endless)
    span = light()
    span.extra = {"wild": Wild(), "endless": endless, "surrogate": "a\ud800b"}
    got = as_dict(decoded(encode(span)).attributes)
    assert got["wild"] == "<Wild>"
    assert got["surrogate"] == "a?b"


@given(light_spans())
def test_sdk_spans_equal_light_ones(span: LightSpan) -> None:
    """The read-only form of a light span, encoded the general way, says the same."""
    fast, general = decoded(encode(span)), decoded(encode_readable(readable(span, Resource({}))))
    for one in (fast, general):
        # Of a light span's parent we do not always know whether it is remote.
        one.flags = 0
        one.attributes.sort(key=lambda pair: pair.key)
    assert fast == general


def test_sdk_spans_keep_what_only_they_have() -> None:
    """Trace state, parent flags, scope and dropped counts."""
    tracer = TracerProvider(resource=Resource({"service.name": "s"})).get_tracer(
        "scope", "1.2", "https://schema", {"x": 1}
    )
    with tracer.start_as_current_span("outer") as outer, tracer.start_as_current_span("inner") as inner:
        inner.set_attribute("list", ["a", "b"])
    request = ExportTraceServiceRequest.FromString(
        encode_request(
            encode_resource(inner.resource), {encode_scope(inner.instrumentation_scope): [encode_readable(inner)]}
        )
    )
    (group,) = request.resource_spans[0].scope_spans
    assert (group.scope.name, group.scope.version, group.schema_url) == ("scope", "1.2", "https://schema")
    assert as_dict(group.scope.attributes) == {"x": 1}
    assert as_dict(group.spans[0].attributes) == {"list": ["a", "b"]}
    assert int.from_bytes(group.spans[0].parent_span_id, "big") == outer.get_span_context().span_id
    assert group.spans[0].flags & ~0x02 == 0x101  # newer SDKs set the random flag too
    assert as_dict(request.resource_spans[0].resource.attributes) == {"service.name": "s"}


def test_requests_group_by_scope() -> None:
    """Several scopes, several spans each."""
    other = encode_scope(InstrumentationScope("other"))
    body = encode_request(
        encode_resource(Resource({"a": 1})), {LIGHT_SCOPE: [encode(light())] * 3, other: [encode(light())]}
    )
    groups = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans
    assert [(group.scope.name, len(group.spans)) for group in groups] == [("lineage", 3), ("other", 1)]
