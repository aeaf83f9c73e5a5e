"""Sends, receives and client calls, as the patches report them; spans end up in a list."""

from __future__ import annotations

import gc
import os
import weakref
from threading import Thread
from time import time
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind, StatusCode
from support.memory import Message, Problem, World, span_id, traceparent

from lineage.agent import clients
from lineage.agent.current import HANDLING, SPAN, var
from lineage.agent.evidence import Evidence
from lineage.agent.recorder import Recorder, _after_fork_in_child
from lineage.agent.tracing import Tracing
from lineage.model.headers import LINEAGE, parse_lineage

PARENT = traceparent(7, 9)


def said(span: Any) -> Any:
    """What our header of a send says."""
    return parse_lineage(dict(span.headers)[LINEAGE])


# Sends.


def test_a_send_lasts_until_its_delivery_report(world: World) -> None:
    """Which says where the record lies."""
    send = world.send()
    assert world.spans == []
    send(None, message := Message(partition=3))
    assert world.spans == [send]
    assert (send.partition, send.offset, send.kind) == (3, message.offset(), SpanKind.PRODUCER)


def test_a_failed_delivery_is_an_error_span(world: World) -> None:
    """Without an offset."""
    send = world.send()
    send(Problem(), Message(partition=-1))
    assert (send.partition, send.offset, send.status.status_code) == (None, None, StatusCode.ERROR)
    assert send.extra["error.type"] == "_MSG_TIMED_OUT"


def test_a_report_that_comes_twice_ends_it_once(world: World) -> None:
    """Or one that comes after the exit began."""
    send = world.sent()
    send(None, Message())
    assert len(world.spans) == 1


def test_a_report_that_never_comes_is_an_unknown_outcome(world: World) -> None:
    """At the end of the process."""
    send = world.send()
    world.recorder.end_all()
    send(None, Message())
    assert [span.extra["lineage.delivery"] for span in world.spans] == ["unknown"]


def test_a_producer_that_goes_ends_its_sends(world: World) -> None:
    """Nobody will report on them: neither memory nor spans are lost."""
    producer = world.client("send")
    send = world.send(client=producer)
    world.recorder.forget(world.instances[-1])
    assert (world.spans, producer.pending) == ([send], {})


def test_a_producer_that_reports_errors_only_is_bounded(world: World) -> None:
    """Its oldest sends are given up, and no other producer's."""
    errors_only = world.client("send", errors_only=True)
    mine = world.send()
    for _ in range(1010):
        world.send(client=errors_only)
    assert (len(world.spans), len(errors_only.pending)) == (10, 1000)
    assert not mine.end_time


def test_a_refused_message_is_an_error_span(world: World) -> None:
    """A produce call that raises."""
    send = world.send()
    world.recorder.sends.refused(send, ValueError("no"))
    assert (world.spans, send.extra["error.type"], world.producer.pending) == ([send], "ValueError", {})


def test_a_full_queue_is_only_counted(world: World) -> None:
    """The caller tries again."""
    world.recorder.sends.refused(world.send(), BufferError("full"))
    assert (world.spans, world.recorder.counters()["sends_queue_full"]) == ([], 1)


def test_a_full_queue_leaves_nothing_in_processors() -> None:
    """What started ends, unsampled: many keep open spans in a map."""
    seen: list[Any] = []

    class Processor(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            seen.append("start")

        def on_end(self, span: Any) -> None:
            seen.append(span.context.trace_flags.sampled)

    provider = TracerProvider()
    provider.add_span_processor(Processor())
    world = World(provider)
    world.recorder.sends.refused(world.send(), BufferError("full"))
    assert (seen, world.spans) == (["start", False], [])


def test_the_attributes_of_a_send(world: World) -> None:
    """By the messaging conventions."""
    client = world.client("send", client_id="me")
    send = world.send("päckchen", client=client)
    assert send.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "orders",
        "messaging.client.id": "me",
        "server.address": "kafka",
        "server.port": 9092,
        "messaging.message.body.size": 9,
    }


def test_a_tombstone(world: World) -> None:
    """A send without a value deletes a key."""
    assert world.send(None).attributes["messaging.kafka.message.tombstone"] is True


def test_our_header(world: World) -> None:
    """Who sent what where, as which message, and where the event entered."""
    first, second = world.send(), world.send()
    assert (said(first).span[:2], said(first).topic) == ((first.trace_id, first.span_id), "orders")
    assert (said(first).sequence, said(second).sequence, said(first).producer) == (1, 2, world.producer.instance)
    assert (said(first).hops, said(first).entry.topic) == (0, "orders")


def test_our_header_can_be_off(make: type[World]) -> None:
    """The trace context remains."""
    assert [name for name, _ in make(header="off").send().headers] == ["traceparent"]


@pytest.mark.parametrize("headers", [(("a", b"1"),), [["a", b"1"]], [("a", b"1", 2)], 7, [(1, b"x")]])
def test_headers_that_the_client_refuses_are_left_to_it(world: World, headers: Any) -> None:
    """The very object."""
    assert world.send(headers=headers).headers is headers


@pytest.mark.parametrize("headers", [{"a": b"1"}, [("a", b"1")], [(b"a", None)], [], None])
def test_headers_are_only_read(world: World, headers: Any) -> None:
    """A list of our own goes out, theirs first."""
    before = repr(headers)
    sent = world.send(headers=headers).headers
    assert repr(headers) == before
    assert [pair[1] for pair in sent[:-2]] == ([b"1"] if headers and "1" in before else [None] * len(headers or ()))


def test_topics_can_be_left_alone(make: type[World]) -> None:
    """No span and no header; for messages, too."""
    from lineage.agent.settings import Patterns

    world = make(topics_exclude=Patterns("order*"))
    assert world.send() is None
    world.receive()
    assert world.open is None


def test_suppressed_contexts_are_not_traced(world: World) -> None:
    """OpenTelemetry's way to say so."""
    var.set(Context({_SUPPRESS_INSTRUMENTATION_KEY: True}))
    assert world.send() is None
    world.receive()
    assert world.open is None


# Callbacks.


def test_a_callback_runs_in_the_context_of_its_send(world: World) -> None:
    """Whatever is handled meanwhile; what was current before is current again."""
    world.receive()
    found = []
    send = world.send(callback=lambda *_: found.append((trace.get_current_span(), world.send())))
    world.receive()
    send(None, Message())
    ((current, again),) = found
    assert (current, again.parent_id, again.hops) == (send, send.span_id, send.hops + 1)
    assert world.send().parent_id == world.open.span_id


def test_a_callback_gets_what_the_client_gave_and_may_raise(world: World) -> None:
    """Its errors are the application's."""
    given = Message()

    def callback(error: Any, message: Any) -> None:
        raise KeyError(error, message)

    send = world.send(callback=callback)
    with pytest.raises(KeyError) as raised:
        send(None, given)
    assert raised.value.args == (None, given)
    assert var.get().get(HANDLING) is None


def test_the_clients_own_callback_is_called(world: World) -> None:
    """If the call has none."""
    called: list[Any] = []
    client = world.client("send", on_delivery=lambda *_: called.append("client"))
    world.sent(client=client)
    world.sent(client=client, callback=lambda *_: called.append("call"))
    assert called == ["client", "call"]


def test_a_thread_started_in_a_callback_does_not_keep_it(world: World) -> None:
    """What it captured ends with the callback."""
    captured = []
    world.sent(callback=lambda *_: captured.append(var.get().get(HANDLING)))
    assert captured[0].end_time


def test_a_poll_in_a_callback_does_not_bring_a_message_back(world: World) -> None:
    """The send was made for a message; polling elsewhere leaves it, too."""
    world.receive()
    other, found = world.client("process"), []

    def callback(*_: Any) -> None:
        world.ask(other)
        found.append(world.send())

    world.sent(callback=callback)
    assert found[0].parent_id == b""


def test_sends_from_callbacks_make_no_endless_trace(make: type[World]) -> None:
    """After so many hops a new trace starts, linked to the old one."""
    world = make(max_hops=3)
    sends: list[Any] = []

    def again(*_: Any) -> None:
        if len(sends) < 6:
            sends.append(world.send(callback=again))

    again()
    for send in sends:
        send(None, Message())
    assert [send.hops for send in sends] == [0, 1, 2, 3, 0, 1]
    (link,) = sends[4].links
    assert (link.context.span_id, link.attributes["lineage.role"]) == (sends[3].context.span_id, "continued")
    assert (len({send.trace_id for send in sends}), sends[4].parent_id) == (2, b"")


def test_a_finished_send_keeps_nothing_alive(world: World) -> None:
    """Neither callbacks nor contexts: spans wait for their export."""

    class Callback:
        def __call__(self, *_: Any) -> None: ...

    callback = Callback()
    gone = weakref.ref(callback)
    world.sent(callback=callback)
    del callback
    gc.collect()
    assert gone() is None
    assert len(world.spans) == 1


# Receives.


def test_a_message_is_handled_until_the_next_is_asked_for(world: World) -> None:
    """A child of its send."""
    send = world.sent()
    world.spans.clear()
    world.receive([("traceparent", dict(send.headers)["traceparent"])])
    span = world.open
    assert (trace.get_current_span(), span.parent_id, span.trace_id, world.spans) == (
        span,
        send.span_id,
        send.trace_id,
        [],
    )
    world.ask()
    assert (world.spans, trace.get_current_span().is_recording()) == ([span], False)


def test_another_consumer_hides_it_and_does_not_end_it(world: World) -> None:
    """Two consumers polled in turn by one thread."""
    other = world.client("process")
    world.receive()
    first = world.open
    world.ask(other)
    assert (trace.get_current_span().is_recording(), first.end_time) == (False, 0)
    world.receive(consumer=other)
    assert trace.get_current_span() is other.open


@pytest.mark.parametrize("how", ["forgotten", "closed"])
def test_a_consumer_that_goes_leaves_others_alone(world: World, how: str) -> None:
    """Its own message ends; another consumer's stays current."""
    other = world.client("process")
    instance = world.instances[-1]
    world.receive(consumer=other)
    world.receive()
    world.recorder.forget(instance) if how == "forgotten" else world.recorder.receives.closed(other)
    assert len(world.spans) == 1
    assert world.send().parent_id == world.open.span_id


def test_a_closed_consumer_handles_nothing(world: World) -> None:
    """Nothing is current after it."""
    world.receive()
    world.recorder.receives.closed(world.consumer)
    assert var.get().get(SPAN) is None


def test_hops_and_entry_go_on(world: World) -> None:
    """From send to send, whatever the message in between is."""
    first = world.send()
    world.receive(first.headers)
    second = world.send()
    world.receive(second.headers)
    assert (said(second).hops, said(second).entry) == (1, said(first).entry)
    assert said(world.send()).hops == 2


@pytest.mark.parametrize(
    "settings", [{"max_hops": 1}, {"max_age": 1.0}, {"max_hops": 1, "suppressed": frozenset({"send"})}], ids=str
)
def test_old_events_start_a_new_trace(make: type[World], settings: Any) -> None:
    """Linked to the old one."""
    world = make(**settings)
    header = LINE % (1 if "max_hops" in settings else 0, int(time() * 1000) - (5000 if "max_age" in settings else 0))
    world.receive([("traceparent", PARENT), (LINEAGE, header)])
    (link,) = world.open.links
    assert (world.open.parent_id, world.open.hops) == (b"", 0)
    assert (link.context.span_id, link.attributes["lineage.role"]) == (9, "continued")


LINE = b"lineage=1;s=%032x-%016x;t=a;p=b;n=1" % (7, 9) + b";h=%d;e=%x;et=a"


@pytest.mark.parametrize(
    "header", [LINE % (1, 2) + b"\xff", b"lineage=1;s=;h=1;e=1", b"x" * 10_000, None, "text", LINE[:30], LINE % (-5, 2)]
)
def test_a_hostile_header_is_not_handed_on(world: World, header: Any) -> None:
    """What is sent because of the message carries a header of ours that can be read, once."""
    world.receive([("traceparent", PARENT), (LINEAGE, header)])
    assert (world.open.parent_id, world.open.hops) == (span_id(9), 0)
    assert said(world.send()).hops == 1


def test_a_lost_trace_context_is_found_in_our_header(world: World) -> None:
    """Somebody dropped the one and kept the other."""
    send = world.send()
    world.receive([pair for pair in send.headers if pair[0] == LINEAGE])
    assert (world.open.trace_id, world.open.parent_id) == (send.trace_id, send.span_id)


def test_receives_without_context_are_counted(world: World) -> None:
    """Nobody upstream was traced: a root, and where the event entered for us."""
    world.receive()
    assert (world.open.parent_id, world.recorder.counters()["receives_without_context"]) == (b"", 1)
    assert said(world.send()).entry.time == 1_700_000_000_000


# Kinds of span, keys and headers.


@pytest.mark.parametrize("kinds", [{"process"}, {"send"}, {"send", "process"}], ids=str)
def test_suppressed_kinds_are_not_recorded_and_propagate(make: type[World], kinds: Any) -> None:
    """Who comes later is a child of what was recorded before."""
    world = make(suppressed=frozenset(kinds))
    world.receive([("traceparent", PARENT)])
    process = world.open
    send = world.send()
    headers = dict(send.headers)
    send(None, Message())
    world.ask()
    assert {span.template.name.split()[0] for span in world.spans} == {"send", "process"} - kinds
    named = process if "send" in kinds else send
    expected = 9 if kinds == {"send", "process"} else named.context.span_id
    assert headers["traceparent"] == traceparent(7, expected)


def test_suppressed_sends_without_a_cause_carry_nothing(make: type[World]) -> None:
    """There is nothing to continue."""
    assert make(suppressed=frozenset({"send"})).send(headers=[("a", b"1")]).headers == [("a", b"1")]


def test_processors_see_no_suppressed_span() -> None:
    """What never ends must not start."""
    started = []

    class Processor(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            started.append(span.name)

    provider = TracerProvider()
    provider.add_span_processor(Processor())
    world = World(provider, suppressed=frozenset({"process", "send"}))
    world.receive()
    world.send()
    assert started == []


@pytest.mark.parametrize(
    ("settings", "key", "expected"),
    [
        ({}, b"k", None),
        ({"keys": "plain"}, b"k", "k"),
        ({"keys": "plain"}, "k", "k"),
        ({"keys": "plain"}, b"\xff\x00", None),
        ({"keys": "plain"}, None, None),
        ({"keys": "hashed", "keys_secret": "s"}, b"k", "54eb0bbbf6d1e9c2d5cd3eecc0a3ed6d"),
    ],
)
def test_keys_are_recorded_as_configured(make: type[World], settings: Any, key: Any, expected: Any) -> None:
    """Off, plain where they are text, or hashed with a secret."""
    world = make(**settings)
    world.receive(key=key)
    found = world.open.key, world.send(key=key).key
    if settings.get("keys") == "hashed":
        assert found[0] == found[1] != key.decode()
        assert len(found[0]) == 32
    else:
        assert found == (expected, expected)


def test_named_headers_are_recorded(make: type[World]) -> None:
    """All values of each, as text; payloads never are."""
    from lineage.agent.settings import Patterns

    world = make(headers_capture=Patterns("x-*"))
    headers = [("x-a", b"1"), ("x-a", b"2"), ("y", b"3")]
    world.receive(headers)
    for span in (world.open, world.send(headers=headers)):
        assert span.extra["messaging.header.x-a"] == ["1", "2"]
        assert "messaging.header.y" not in span.extra


def test_named_headers_are_handed_on(make: type[World]) -> None:
    """Never over one that is there, and only from what certainly is the cause."""
    from lineage.agent.settings import Patterns

    world = make(headers_propagate=Patterns("tenant"))
    world.receive([("tenant", b"a"), ("other", b"b")])
    assert dict(world.send().headers)["tenant"] == b"a"
    assert dict(world.send(headers={"tenant": b"mine"}).headers)["tenant"] == b"mine"
    assert "other" not in dict(world.send().headers)
    world.consume(Message(headers=[("tenant", b"a")]), Message(headers=[("tenant", b"b")]))
    assert "tenant" not in dict(world.send().headers)


def test_baggage_of_the_application_goes_out(world: World) -> None:
    """Set by the handler."""
    var.set(baggage.set_baggage("who", "me", var.get()))
    assert dict(world.send().headers)["baggage"] == b"who=me"


# Clients.


def test_the_cluster_is_learnt_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And known to every client with the same servers."""
    monkeypatch.setattr(clients, "_known_clusters", {})
    asked: list[Any] = []
    world.producer.learn_cluster(lambda: asked.append(1))
    world.producer.learn_cluster(lambda: asked.append(2))
    assert asked == [1], "not again at once"
    world.producer.learn_cluster(lambda: "abc", at_once=True)
    world.consumer.learn_cluster(lambda: pytest.fail("it is known"))
    assert (world.producer.cluster, world.consumer.cluster) == ("abc", "abc")
    assert world.send().attributes["messaging.kafka.cluster.id"] == "abc"


def test_reports_wait_for_the_cluster(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the client serves callbacks it cannot be asked."""
    monkeypatch.setattr(clients, "_known_clusters", {})
    world.producer.serving += 1
    send = world.sent()
    assert world.spans == []
    world.producer.serving -= 1
    world.producer.learn_cluster(lambda: "abc", at_once=True)
    world.recorder.sends.described(world.producer)
    assert (world.spans, send.attributes["messaging.kafka.cluster.id"]) == ([send], "abc")


@pytest.mark.parametrize("end", ["flush in another thread", "exit", "gone"])
def test_no_waiting_report_is_lost(world: World, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """Whoever serves at the same time, and however it ends."""
    monkeypatch.setattr(clients, "_known_clusters", {})
    producer = world.client("send")
    producer.serving += 1
    world.sent(client=producer)
    producer.serving += 1
    world.sent(client=producer)
    if end == "exit":
        world.recorder.end_all()
    elif end == "gone":
        world.recorder.forget(world.instances[-1])
    else:
        world.recorder.sends.described(producer)
    assert len(world.spans) == 2


def test_transactions_are_named(world: World) -> None:
    """By each send and by the commit, a child of what is handled."""
    producer = world.client("send", transactional_id="tx")
    settlements = world.recorder.settlements
    settlements.begin_transaction(producer)
    send = world.send(client=producer)
    commit = settlements.start(producer, "commit", "tx")
    settlements.end(commit, RuntimeError("fenced"))
    assert send.extra["lineage.transaction.id"] == commit.extra["lineage.transaction.id"] == "tx-1"
    assert (commit.parent_id, commit.extra["error.type"], commit.kind) == (
        send.span_id,
        "RuntimeError",
        SpanKind.CLIENT,
    )


# The end of it.


def test_the_exit_ends_every_span(world: World) -> None:
    """Messages in hand, batches and sends."""
    other = world.client("process")
    world.receive(consumer=other)
    world.consume(Message(), Message())
    world.send()
    world.recorder.end_all()
    world.recorder.end_all()
    assert sorted(span.name for span in world.spans) == ["process orders"] * 3 + ["send orders"]
    assert all(span.end_time > span.start_time for span in world.spans)


def test_a_forked_child_ends_nothing_of_its_parents(world: World) -> None:
    """Nor repeats its ids; what was handled still is a cause there."""
    world.receive()
    handled = world.open
    world.producer.serving += 1
    world.sent()
    send = world.send()
    world.recorder.tracing.random.seed(1)
    first = world.recorder.tracing.random.getrandbits(64)
    world.recorder.tracing.random.seed(1)
    _after_fork_in_child()
    assert world.recorder.tracing.random.getrandbits(64) != first
    assert world.send().parent_id == handled.span_id
    world.producer.pending.clear()
    world.ask()
    world.recorder.end_all()
    assert (world.spans, send.end_time) == ([], 0)


def test_a_forked_child_makes_ids_of_its_own(world: World) -> None:
    """Also of those that were made in advance."""
    world.send()
    read, write = os.pipe()
    if not (child := os.fork()):
        os.write(write, b"".join(world.send().span_id for _ in range(300)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 4096)
    assert len(theirs) == 2400
    ours = {world.send().span_id for _ in range(300)}
    assert ours.isdisjoint(theirs[at : at + 8] for at in range(0, 2400, 8))


def test_ids_are_made_by_many_threads(world: World) -> None:
    """None twice."""
    found: list[bytes] = []
    threads = [Thread(target=lambda: found.extend(world.sent().span_id for _ in range(2000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(found) == len(world.spans) == 8000
    assert {len(each) for each in found} == {8}


def test_the_hook_runs_in_forked_children() -> None:
    """It is registered."""
    read, write = os.pipe()
    world = World()
    world.send()
    if not (child := os.fork()):
        os.write(write, b"%d" % len(world.producer.pending))
        os._exit(0)
    os.waitpid(child, 0)
    assert (os.read(read, 9), len(world.producer.pending)) == (b"0", 1)


INNER = [
    (Tracing, "begin"),
    (Tracing, "started"),
    (Tracing, "finish"),
    (Evidence, "of_headers"),
    (Evidence, "of_value"),
]


@pytest.mark.parametrize(("owner", "name"), INNER, ids=lambda each: getattr(each, "__name__", each))
def test_errors_of_ours_are_swallowed_in_delivery_reports(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch, swallowed: list[Exception]
) -> None:
    """And the application's callback is called."""
    called: list[Any] = []
    world = World()
    send = world.send(callback=lambda *_: called.append(1))
    monkeypatch.setattr(owner, name, broken)
    send.finish = broken
    send(None, Message())
    assert called == [1]
    assert [str(error) for error in swallowed] == ["injected"]


def broken(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("injected")


def test_errors_of_ours_are_counted(world: World) -> None:
    """For `lineage doctor`."""
    assert isinstance(world.recorder, Recorder)
    assert world.recorder.counters()["internal_errors"] >= 0
