"""Where it is tempting to guess: no edge that is not there, and none less than there are."""

import pytest
from support.run import Stage
from support.scenario import run_both_ways

SOURCE = Stage("source", writes=["orders"])


def outcome_of(app, broker, receiver, *, writes=("out",), reads=("orders",), mode="", **settings):
    """Run one application between a source and nothing."""
    stages = [SOURCE, Stage(app, reads, writes, mode=mode)]
    return run_both_ways(stages, broker, receiver, **settings)


def test_a_send_from_a_delivery_callback_is_caused_by_the_send_it_reports(broker, receiver):
    """Not by the message that happens to be handled while the report comes in."""
    outcome_of("callback_send", broker, receiver, writes=["out", "receipts"]).assert_lineage()


def test_totals_flushed_later_have_no_cause(broker, receiver):
    """What a dict was made from, nobody can see."""
    outcome_of("totals", broker, receiver).assert_lineage()


def test_totals_flushed_later_have_the_causes_that_are_told(broker, receiver):
    """`handling(*messages)` makes all of them inputs."""
    outcome_of("totals", broker, receiver, mode="told").assert_lineage()


def test_a_cached_value_object_is_a_further_input(broker, receiver):
    """The message being handled is the parent, the older one whose value is sent is linked."""
    outcome = outcome_of("cached", broker, receiver, mode="value")
    traced = outcome.assert_lineage()
    for made in outcome.made:
        links = traced.send_of(made).links
        assert [link.role for link in links] == ([] if made.is_root else ["input"])


def test_forwarded_headers_of_an_older_message_are_the_only_cause(broker, receiver):
    """The message being handled meanwhile is no cause, and not linked."""
    traced = outcome_of("cached", broker, receiver, mode="headers").assert_lineage()
    assert not any(send.links for send in traced.sends.values())


def test_a_user_span_within_the_handler_is_the_parent(broker, receiver):
    """Headers forwarded from within a user's span do not lead around it."""
    outcome = outcome_of("user_span", broker, receiver)
    traced = outcome.assert_lineage()
    parents = [next(traced.chain(traced.send_of(made))).name for made in outcome.made if not made.is_root]
    assert set(parents) == {"work"}


def test_a_background_thread_does_not_keep_its_first_message(broker, receiver):
    """A thread started inside a handler that flushes long after has no cause."""
    outcome_of("background_flush", broker, receiver, LINEAGE_CAPTURED_CONTEXT_SECONDS="0.1").assert_lineage()


@pytest.mark.parametrize("mode", ["executor, tasks", "to_thread, tasks"])
def test_a_task_started_in_a_handler_keeps_its_message(mode, broker, receiver):
    """Tasks that run on while others start each belong to their own message."""
    outcome_of("asyncio_loop", broker, receiver, mode=mode).assert_lineage()


def test_a_thread_started_in_a_handler_keeps_its_message(broker, receiver):
    """Threads that run on while others start each belong to their own message."""
    outcome_of("thread_in_handler", broker, receiver).assert_lineage()


@pytest.mark.parametrize("mode", ["idle", "in handler"])
def test_a_heartbeat_has_no_cause(mode, broker, receiver):
    """Sent when nothing came, or within `handling()`, it begins a trace of its own."""
    outcome_of("heartbeat", broker, receiver, writes=["out", "beats"], mode=mode).assert_lineage()


def test_a_send_after_a_batch_is_possibly_caused_by_all_of_it(broker, receiver):
    """Parent and links are marked as possible, none as certain."""
    outcome_of("after_batch", broker, receiver, mode="summary").assert_lineage()


WAYS = "indexed, popped, sorted, sorted in place, reversed, filtered, enumerated, by key, latest by key"


@pytest.mark.parametrize("way", WAYS.split(", "))
def test_a_batch_is_handled_message_by_message(way, broker, receiver):
    """However the application goes through it, each message is the cause of what is sent when its turn comes."""
    outcome_of("after_batch", broker, receiver, mode=way).assert_lineage()


def test_two_consumers_polled_in_turn(broker, receiver):
    """After the second was asked in vain, a send has no cause; the first's message is not its cause."""
    outcome_of("two_consumers", broker, receiver, reads=["orders", "idle"], writes=["out", "pulse"]).assert_lineage()


@pytest.mark.parametrize("mode", ["derived", "headers", "value"])
def test_a_queue_between_threads_is_no_evidence(mode, broker, receiver):
    """Headers and the very value object are."""
    outcome_of("queued", broker, receiver, mode=mode).assert_lineage()


def test_a_span_around_the_loop_encloses_no_event(broker, receiver):
    """The traces stay the events' own; the user's span is linked."""
    outcome = outcome_of("around_loop", broker, receiver)
    (job,) = (span for span in outcome.spans if span.name == "job")
    traced = outcome.assert_lineage_beside("job")
    assert job.trace_id not in {span.trace_id for span in traced.spans.values()}
    processes = [span for span in traced.spans.values() if span.kind == "CONSUMER"]
    assert all([link.key for link in span.links] == [job.key] for span in processes)
