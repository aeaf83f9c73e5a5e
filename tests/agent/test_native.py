"""The compiled steps beside their Python originals: the same result or none at all, whatever they are given.

They are built anew for these tests, from the source that is here.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import subprocess
import sys
from functools import partial
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import SpanKind, TraceState
from support.memory import Message, World, copied, facts, traceparent

from lineage.agent import native, receives, sends
from lineage.agent.clients import Topic
from lineage.agent.current import SPAN, ProcessSpan, var
from lineage.agent.export import encode as encoding
from lineage.agent.sends import SendSpan
from lineage.agent.spans import LightSpan, Rare, Template
from lineage.agent.steps import StepSpan
from lineage.model.headers import (
    BAGGAGE,
    LINEAGE,
    TRACEPARENT,
    TRACESTATE,
    constant_part,
    entry_place,
    format_entry,
    format_lineage,
)

ROOT = Path(__file__).parents[2]
NOW = 1_790_000_000_123_456_789
OURS, OTHERS = (TRACEPARENT, LINEAGE), (TRACESTATE, BAGGAGE)
python_encode = encoding._encode


def load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def build() -> Any:
    """hatch_build.py."""
    if not (script := ROOT / "hatch_build.py").exists():
        pytest.skip("the build script is not here")
    return load(script, "hatch_build")


@pytest.fixture(scope="module")
def compiled(build: Any, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The extension, with every warning an error."""
    folder = tmp_path_factory.mktemp("native")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LINEAGE_NATIVE", raising=False)
        try:
            built = build.build(ROOT, folder, ("-O1", "-Wall", "-Wextra"))
        except build.NotBuiltError as reason:
            pytest.skip(f"no extension here: {reason}")
    return load(built, "lineage.agent._native")


@pytest.fixture(scope="module")
def encode(compiled: ModuleType) -> Any:
    return compiled.encoder(LightSpan, Template, encoding._NAMES, python_encode)


@pytest.fixture(scope="module")
def plainly(compiled: ModuleType) -> Any:
    """The compiled encode alone: None where Python must help."""
    return compiled.encoder(LightSpan, Template, encoding._NAMES, lambda span: None)


@pytest.fixture
def pair(compiled: ModuleType, monkeypatch: pytest.MonkeyPatch, make: Any) -> tuple[World, World]:
    """Two worlds with the same clock, ids and clients: one compiled, one in Python."""
    monkeypatch.setattr(receives, "time_ns", lambda: NOW)
    monkeypatch.setattr(sends, "time_ns", lambda: NOW)
    return both(compiled, monkeypatch, make)


def both(compiled: ModuleType, monkeypatch: pytest.MonkeyPatch, make: Any, **kwargs: Any) -> tuple[World, World]:
    monkeypatch.setattr(receives, "_receive", compiled.receiver(ProcessSpan, Topic, OURS, OTHERS))
    monkeypatch.setattr(sends, "_send", compiled.sender(SendSpan, ProcessSpan, Topic, LightSpan, OURS))
    fast, slow = make(**kwargs), make(**kwargs)
    slow.recorder.receives._plain = slow.recorder.sends._plain = None
    slow.producer.instance = fast.producer.instance
    for world in (fast, slow):
        world.producer.topics.clear()
    return fast, slow


def slots(span: Any) -> dict[str, Any]:
    """All that a span is, but for ids made for it and the recorder it belongs to."""
    names = [name for kind in type(span).__mro__ for name in kind.__dict__.get("__slots__", ())]
    found = {name: getattr(span, name) for name in names}
    own = found.pop("span_id")
    assert type(own) is bytes
    assert len(own) == 8
    assert any(own)
    if not found["parent_id"]:
        assert len(found.pop("trace_id")) == 16
    for name in ("template", "finish", "topic", "client", "sends"):
        found.pop(name, None)
    types = {name: type(value) for name, value in found.items()}
    found["rare"] = span.extra, len(span.links)
    return found | {"types": types, "name": span.name, "size": span.size}


# What spans, headers and values may be; some of it is plain, most of it is not.


class Text(str):
    """No exact string."""

    __slots__ = ()


class Number(int):
    """No exact int."""


class Content(bytes):
    """No exact bytes."""


numbers = st.one_of(
    st.integers(0, 1 << 20),
    st.integers(-(1 << 70), 1 << 70),
    st.sampled_from([0, 127, 128, 16383, 16384, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, -1, True, None]),
    st.builds(Number, st.integers(0, 100)),
)
junk = st.one_of(st.none(), st.text(max_size=5), st.binary(max_size=20), st.floats(), st.booleans())
keys = st.one_of(st.none(), st.text(max_size=300), st.builds(Text, st.text(max_size=5)), st.just("k" * 1025), junk)
templates = st.builds(
    Template,
    st.text(max_size=30),
    st.sampled_from([SpanKind.PRODUCER, SpanKind.CONSUMER]),
    st.dictionaries(st.text(max_size=8), st.one_of(st.text(max_size=20), st.integers()), max_size=5),
)


@st.composite
def spans(draw: Any, odd: bool = True) -> LightSpan:
    span = LightSpan()
    span.template = draw(templates)
    if draw(st.booleans()):
        span.template.encoded = encoding._constant(span.template)
    span.trace_id, span.span_id = draw(st.binary(min_size=16, max_size=16)), draw(st.binary(min_size=8, max_size=8))
    span.parent_id = draw(st.one_of(st.just(b""), st.binary(min_size=8, max_size=8)))
    span.start_time, span.end_time = draw(st.integers(0, 1 << 62)), draw(st.integers(0, 1 << 62))
    for name in ("partition", "offset", "size", "timestamp"):
        setattr(span, name, draw(st.one_of(st.none(), st.integers(0, 1 << 40))))
    if odd:
        for name in draw(st.sets(st.sampled_from([*LightSpan.__slots__]), max_size=3)):
            if name not in ("template", "finish", "rare", "state", "sampled"):
                setattr(span, name, draw(st.one_of(numbers, junk)))
        span.key = draw(keys)
        if draw(st.integers(0, 5)) == 0:
            span.rare = Rare()
        if draw(st.integers(0, 5)) == 0:
            span.state = draw(st.sampled_from([TraceState([("a", "b")]), TraceState()]))
    else:
        span.key = draw(st.one_of(st.none(), st.text(st.characters(max_codepoint=126), max_size=200)))
    return span


def outcome(function: Any, *args: Any) -> Any:
    try:
        return function(*args)
    except Exception as error:  # noqa: BLE001  # which one is what is compared
        return type(error)


@given(spans())
def test_any_span_is_encoded_the_same(encode: Any, span: LightSpan) -> None:
    """Byte by byte; or it fails the same."""
    assert outcome(encode, span) == outcome(python_encode, span)


@given(spans(odd=False))
def test_a_plain_span_needs_no_python(plainly: Any, span: LightSpan) -> None:
    """Once its template is encoded."""
    expected = python_encode(span)
    assert plainly(span) == expected


@pytest.mark.parametrize("number", [0, 1, 127, 128, 511, 512, 16383, 16384, (1 << 31), (1 << 63) - 1])
def test_numbers_at_their_limits(plainly: Any, number: int) -> None:
    """Where a varint grows."""
    span = complete(LightSpan())
    span.partition = span.offset = span.size = span.timestamp = span.start_time = span.end_time = number
    expected = python_encode(span)
    assert plainly(span) == expected


@pytest.mark.parametrize("size", [0, 1, 60, 119, 120, 127, 128, 129, 1024])
def test_keys_at_their_limits(plainly: Any, size: int) -> None:
    """Where a length grows."""
    span = complete(LightSpan())
    span.key = "k" * size
    expected = python_encode(span)
    assert plainly(span) == expected


@pytest.mark.parametrize("size", [1000, 1024, 1025, 100_000])
def test_a_large_template_is_no_overflow(encode: Any, size: int) -> None:
    """Python takes over where the buffer ends."""
    span = complete(LightSpan())
    span.template = Template("n" * size, SpanKind.CONSUMER, {})
    expected = python_encode(span)
    assert encode(span) == expected


def test_what_is_no_span_fails_as_in_python(encode: Any) -> None:
    """An empty one, too."""
    for garbage in (None, 7, object(), Template("t", SpanKind.CONSUMER, {}), LightSpan.__new__(LightSpan), LightSpan):
        assert outcome(python_encode, garbage) in (AttributeError, TypeError)
        assert outcome(encode, garbage) is outcome(python_encode, garbage)
    with pytest.raises(TypeError):
        encode()


def test_each_empty_slot_fails_as_in_python(encode: Any) -> None:
    """Or is not missed."""
    for name in LightSpan.__slots__:
        span = complete(LightSpan())
        python_encode(span)
        delattr(span, name) if hasattr(span, name) else None
        assert outcome(encode, span) == outcome(python_encode, span), name


def complete(span: Any) -> Any:
    span.template, span.trace_id, span.span_id, span.parent_id = (
        Template("process orders", SpanKind.CONSUMER, {"messaging.system": "kafka"}),
        bytes(range(16)),
        b"87654321",
        b"12345678",
    )
    return span


# Headers.

ids = st.sampled_from(
    [b"%032x-%016x" % (7, 9), b"%032x-%016x" % (0, 9), b"%032x-%016x" % (7, 0), b"%032X-%016x" % (10**30, 9)]
)
names = st.one_of(st.text(st.sampled_from("abcXYZ019._-"), max_size=8), st.text(max_size=4))


@st.composite
def lineages(draw: Any) -> bytes:
    entry = format_entry(
        entry_place(draw(names), draw(st.one_of(st.none(), names))), draw(st.integers(0, NOW // 1_000_000 + 10**6))
    )
    constant = constant_part(draw(names), draw(st.one_of(st.none(), names)), draw(names))
    value = format_lineage(draw(ids), constant, draw(st.integers(0, 10**19)), draw(st.integers(0, 120)), entry)
    at, more = draw(st.integers(0, len(value))), draw(st.sampled_from([b"", b"", b"", b"0", b";", b"=", b"\0", b"h=1"]))
    return value[:at] + more + value[at:] if more else value


traceparents = st.one_of(
    st.builds(
        lambda ids, flag, version: version + b"-" + ids + b"-" + flag,
        ids,
        st.sampled_from([b"00", b"01", b"03", b"0g"]),
        st.sampled_from([b"00", b"00", b"00", b"01", b"ff"]),
    ),
    st.binary(max_size=60),
    st.binary(min_size=55, max_size=55),
)
values = st.one_of(traceparents, lineages(), st.none(), st.text(max_size=10), st.builds(Content, traceparents), junk)
header_names = st.sampled_from(
    [TRACEPARENT, LINEAGE, TRACESTATE, BAGGAGE, "a", "traceparenT", "", "ü", Text(TRACEPARENT)]
)
header_lists = st.one_of(
    st.none(),
    st.builds(
        lambda trace, lineage, more: [(TRACEPARENT, trace), (LINEAGE, lineage), *more],
        traceparents,
        lineages(),
        st.lists(st.tuples(st.sampled_from(["a", "b", "ü"]), values), max_size=3),
    ),
    st.lists(st.tuples(header_names, values), max_size=6),
)

RELAXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@RELAXED
@given(
    header_lists,
    st.one_of(st.none(), st.binary(max_size=300), st.text(max_size=3), st.builds(Content, st.just(b"x"))),
    st.one_of(st.none(), st.integers(0, 1 << 42), st.integers()),
)
def test_a_received_message_is_the_same(pair: Any, headers: Any, value: Any, timestamp: Any) -> None:
    """Whatever its headers, value and time are."""
    message = Message(value=value, headers=headers)
    results = []
    for world in pair:
        remembered = len(world.recorder.receives._evidence._order)
        span = outcome(world.recorder.receives._process, world.consumer, facts(message, timestamp=timestamp), Context())
        order = world.recorder.receives._evidence._order
        results.append(
            (
                span if isinstance(span, type) else slots(span),
                len(order) - remembered,
                [(entry[1:], any(entry[3] is value for _, value in headers or ())) for entry in list(order)[-1:]],
                dict(world.recorder.receives.counts),
                world.recorder.receives._evidence._bytes,
            )
        )
    assert results[0] == results[1]


def test_our_own_headers_need_no_python(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message without any, and one that the agent sent."""
    fast, _ = pair
    refill(fast)
    sent = fast.sent()
    monkeypatch.setattr(receives, "parse_progress", None)
    monkeypatch.setattr(receives, "_new", None)
    for headers in (None, [], copied(sent.headers), [("a", b"b"), *copied(sent.headers)], [("ü", None)]):
        refill(fast)
        fast.receive(headers)
        assert fast.open.parent_id == (sent.span_id if headers and len(headers) > 1 else b"")
        assert fast.open.span_id


def refill(world: World) -> None:
    ids = world.recorder.receives._tracing._span_ids
    while len(ids) < 6:
        ids.append(world.recorder.receives._tracing._more_ids())


# Sends.


@RELAXED
@given(
    st.sampled_from(["nothing", "handling", "a step", "batch", "handling a tracestate", "unsampled"]),
    st.one_of(
        st.none(), st.binary(max_size=300), st.text(max_size=300), st.builds(Content, st.just(b"x")), st.just(["list"])
    ),
    st.one_of(st.none(), st.just([]), st.just({}), st.just([("a", b"b")]), st.just({"traceparent": "x"}), st.just([1])),
    st.one_of(st.none(), st.just(print)),
)
def test_a_send_is_the_same(pair: Any, inside: str, value: Any, headers: Any, callback: Any) -> None:
    """In any context."""
    results = []
    for world in pair:
        world.producer.topics.clear()
        world.recorder.receives._evidence.clear()
        ours = [
            (TRACEPARENT, traceparent(7, 9, sampled=inside != "unsampled")),
            (LINEAGE, format_lineage(b"%032x-%016x" % (7, 9), b";t=in;p=1", 4, 2, b";e=%x;et=in" % (NOW // 1_000_000))),
        ]
        if inside == "handling a tracestate":
            ours.append((TRACESTATE, b"a=b"))
        if inside == "batch":
            world.consume(Message(headers=ours), Message())
        elif inside != "nothing":
            world.receive(ours)
        if inside == "a step":
            step = complete(StepSpan())
            var.set(Context({**var.get(), SPAN: step}))
        span = world.send(value, headers, callback=callback)
        found = slots(span)
        world.ask()
        ids = span.trace_id.hex().encode(), span.span_id.hex().encode()
        for name in ("outside", "parent_id"):
            found.pop(name)
        text = repr(span.headers).encode()
        found["headers"] = text.replace(ids[0], b"trace").replace(ids[1], b"span")
        found["outside"] = span.outside.keys()
        found.pop("trace_id", None)
        results.append((found, list(world.producer.pending) == [span.span_id], dict(world.recorder.sends.counts)))
        world.producer.pending.clear()
    assert results[0] == results[1]


def test_a_plain_send_needs_no_python(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root, and what is sent while a message is handled."""
    fast, _ = pair
    monkeypatch.setattr(sends, "_new", None)
    refill(fast)
    root = fast.send("text")
    assert (root.parent_id, root.size, root.hops) == (b"", 4, 0)
    refill(fast)
    fast.receive(copied(root.headers))
    handled = fast.open
    refill(fast)
    span = fast.send()
    assert (span.trace_id, span.parent_id, span.hops) == (root.trace_id, handled.span_id, 1)
    assert span.entry == root.entry
    step = complete(StepSpan())
    var.set(Context({**var.get(), SPAN: step}))
    refill(fast)
    assert fast.send().parent_id == step.span_id


def test_ids_run_out_and_are_made_again(pair: Any) -> None:
    """All are different."""
    fast, _ = pair
    seen = {span_id for _ in range(3000) for span in [fast.sent()] for span_id in (span.span_id, span.trace_id)}
    assert len(seen) == 6000


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_the_sampler_decides(compiled: ModuleType, monkeypatch: pytest.MonkeyPatch, make: Any, ratio: float) -> None:
    """By the trace id, as in Python."""
    from opentelemetry.sdk.trace.sampling import ParentBased

    fast, slow = both(
        compiled, monkeypatch, make, provider=TracerProvider(sampler=ParentBased(TraceIdRatioBased(ratio)))
    )
    assert fast.recorder.sends._plain is not None
    decide = slow.recorder.sends._tracing.sampling.decide
    for span in [fast.send() for _ in range(300)]:
        assert span.sampled is decide(span.trace_id)
        assert dict(span.headers)[TRACEPARENT].endswith(b"-01" if span.sampled else b"-00")


@pytest.mark.parametrize(
    "settings",
    [{"keys": "plain"}, {"suppressed": frozenset({"send", "process"})}, {"header": "off"}, {"record_unsampled": True}],
)
def test_settings_that_are_not_plain_are_pythons(make: Any, settings: dict[str, Any]) -> None:
    """At least where they matter."""
    world = make(**settings)
    assert world.recorder.sends._plain is None


# Robustness.

CALLS = 20_000


@pytest.mark.parametrize("arguments", [(), (None,), (None,) * 7, (None,) * 11, (object(),) * 7, (7,) * 11, ((),) * 7])
def test_garbage_is_left_to_python(compiled: ModuleType, arguments: tuple[Any, ...]) -> None:
    """Neither an exception nor a crash."""
    receive, send = (
        compiled.receiver(ProcessSpan, Topic, OURS, OTHERS),
        compiled.sender(SendSpan, ProcessSpan, Topic, LightSpan, OURS),
    )
    assert receive(*arguments) is None
    assert send(*arguments) is None


def calls(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """Good arguments of receive and send, by what they are."""
    topic = world.consumer.topic("orders")
    tracing = world.recorder.receives._tracing._finish, [b"12345678"] * 20, None
    received = facts(Message(headers=[]))
    return (
        {"facts": received, "base": Context(), "topic": topic, "now": NOW, "hops": 9, "age": 10**9, "tracing": tracing},
        {
            "sends": None,
            "client": None,
            "topic": topic,
            "context": Context(),
            "callback": None,
            "value": b"v",
            "parent": None,
            "event": None,
            "sequence": 1,
            "now": NOW,
            "tracing": tracing,
        },
    )


@given(st.data())
@RELAXED
def test_one_wrong_argument_is_left_to_python(compiled: ModuleType, pair: Any, data: Any) -> None:
    """Or is what Python, too, would just keep."""
    receive, send = (
        compiled.receiver(ProcessSpan, Topic, OURS, OTHERS),
        compiled.sender(SendSpan, ProcessSpan, Topic, LightSpan, OURS),
    )
    unset = [kind.__new__(kind) for kind in (LightSpan, SendSpan, ProcessSpan, Topic)]
    tracings = [
        (),
        (None, [], None),
        (None, [b"short"] * 3, None),
        (None, [b"12345678"] * 3, -1),
        (None, [7] * 3, None),
        (None, [b"12345678"] * 3, 1 << 64),
        (None, (b"12345678",) * 3, None),
        (None, [b"12345678"] * 2, None),
    ]
    for function, arguments in zip((receive, send), calls(pair[0]), strict=True):
        assert type(function(*arguments.values())) in (ProcessSpan, SendSpan)
        wrong = {
            **arguments,
            data.draw(st.sampled_from(sorted(arguments))): data.draw(
                st.one_of(numbers, junk, st.sampled_from([*unset, *tracings, object(), LightSpan, (), [], (None,) * 9]))
            ),
        }
        span = function(*wrong.values())
        assert span is None or type(span) in (ProcessSpan, SendSpan)
        del span


@pytest.mark.parametrize(
    "headers", [[1], [()], [("a",)], [("a", b"b", b"c")], [["a", b"b"]], ((TRACEPARENT, b""),), "text", 7]
)
def test_headers_of_another_shape_are_left_to_python(compiled: ModuleType, pair: Any, headers: Any) -> None:
    """The list is the client library's."""
    arguments, _ = calls(pair[0])
    arguments["facts"] = facts(Message(headers=headers))
    assert compiled.receiver(ProcessSpan, Topic, OURS, OTHERS)(*arguments.values()) is None


def test_another_layout_is_refused(compiled: ModuleType) -> None:
    """What is no slot of a plain class is not read."""

    class Property(ProcessSpan):
        __slots__ = ()
        entry = property(lambda self: b"")

    class Own(ProcessSpan):
        __slots__ = ()

        def __new__(cls) -> Any:
            return super().__new__(cls)

    class More(ProcessSpan):
        __slots__ = ("more",)

    for wrong in (Property, Own, LightSpan, object, int, None, 7):
        with pytest.raises((TypeError, AttributeError)):
            compiled.receiver(wrong, Topic, OURS, OTHERS)
    assert compiled.receiver(More, Topic, OURS, OTHERS)
    for names in ((), ("one",), (1, 2), ("ü", "b")):
        with pytest.raises(TypeError):
            compiled.receiver(ProcessSpan, Topic, names, OTHERS)
        with pytest.raises(TypeError):
            compiled.sender(SendSpan, ProcessSpan, Topic, LightSpan, names)
    for names in ((), (b"x",) * 4, (b"x" * 65,) * 5, ("x",) * 5):
        with pytest.raises(TypeError):
            compiled.encoder(LightSpan, Template, names, python_encode)
    for light in (Topic, int, None):
        with pytest.raises((TypeError, AttributeError)):
            compiled.sender(SendSpan, ProcessSpan, Topic, light, OURS)


def test_nothing_leaks(compiled: ModuleType, encode: Any, pair: Any) -> None:
    """Neither where it works nor where it gives up half-way."""
    receive, send = (
        compiled.receiver(ProcessSpan, Topic, OURS, OTHERS),
        compiled.sender(SendSpan, ProcessSpan, Topic, LightSpan, OURS),
    )
    fast, _ = pair
    received, sent = calls(fast)
    finish, ready, _ = received["tracing"]
    child = send(*sent.values())
    with_headers = {**received, "facts": facts(Message(headers=copied(child.headers)))}
    below = {**sent, "parent": child, "event": child}
    no_ids = {"tracing": (finish, [b"12345678"], None)}
    odd_entry = ProcessSpan.__new__(ProcessSpan)
    jobs = [
        *(
            partial(f, *a.values())
            for f, a in (
                (receive, received),
                (receive, with_headers),
                (receive, {**received, **no_ids}),
                (receive, {**with_headers, "age": 0}),
                (send, sent),
                (send, below),
                (send, {**below, "sequence": None}),
                (send, {**sent, "tracing": (finish, [], None)}),
                (send, {**below, "event": odd_entry}),
                (send, {**below, "parent": odd_entry}),
                (send, {**sent, "now": -1}),
            )
        ),
        lambda: encode(child),
        lambda: outcome(encode, odd_entry),
    ]
    child.end_time = 7
    held = [
        finish,
        ready,
        child,
        odd_entry,
        sent["topic"],
        received["base"],
        received["facts"],
        None,
        True,
        b"",
        (),
        ProcessSpan,
    ]
    for job in jobs:

        def run(times: int, job: Any = job) -> None:
            for _ in range(times):
                ready[:] = [b"12345678"] * 3
                no_ids["tracing"][1][:] = [b"12345678"]
                job()

        run(300)
        gc.collect()
        counts, blocks = [sys.getrefcount(each) for each in held], sys.getallocatedblocks()
        run(CALLS)
        gc.collect()
        assert sys.getallocatedblocks() - blocks < CALLS // 100
        after = [sys.getrefcount(each) for each in held]
        assert all(abs(now - before) < CALLS // 100 for now, before in zip(after, counts, strict=True))


def test_a_collection_in_between_may_run_anything(pair: Any) -> None:
    """Even code that changes the headers that are being read."""
    fast, _ = pair
    sent = fast.sent()
    numbers = count()

    class Cycle:
        def __init__(self, headers: list[Any]) -> None:
            self.me, self.headers = self, headers

        def __del__(self) -> None:
            self.headers.clear()
            next(numbers)

    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(300):
            headers = copied(sent.headers)
            Cycle(headers)
            fast.receive(headers)
            fast.sent()
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert next(numbers) == 300


# Which is used, and how it is built.


@pytest.mark.parametrize(("value", "state"), [("0", "Python (LINEAGE_NATIVE=0)"), ("1", "compiled"), ("", "compiled")])
def test_the_variable_leaves_it_out(value: str, state: str) -> None:
    """And doctor says so."""
    if state == "compiled" and importlib.util.find_spec("lineage.agent._native") is None:
        state = "Python (no compiled extension)"
    code = (
        "from lineage.agent import native, receives, sends; from lineage.agent.export import encode; "
        "print(native.state(), encode.encode is encode._encode, receives._receive is None, sends._send is None, sep='|')"
    )
    env = {**os.environ, "LINEAGE_NATIVE": value}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    python = str(state != "compiled")
    assert done.stdout.strip().split("|") == [state, python, python, python]


def test_an_extension_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be told what it does not know."""
    monkeypatch.setattr(native, "_module", ModuleType("other"))
    monkeypatch.setattr(native, "_state", native.state())
    assert native.encoder(LightSpan, Template, (), python_encode) is python_encode
    assert native.receiver(ProcessSpan, Topic, OURS, OTHERS) is None
    monkeypatch.setattr(native._module, "sender", lambda span: None, raising=False)
    assert native.sender(SendSpan, ProcessSpan, Topic, LightSpan, OURS) is None
    assert native.state().startswith("Python in part")


@pytest.mark.parametrize(
    "environment", [{"CC": "/nonexistent/cc"}, {"CC": "false"}, {"CFLAGS": "-no-such"}, {"LINEAGE_NATIVE": "0"}]
)
def test_without_a_compiler_there_is_a_reason(
    build: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: dict[str, str]
) -> None:
    """And nothing is left behind."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(build.NotBuiltError):
        build.build(ROOT, tmp_path)
    assert not list(tmp_path.iterdir())
