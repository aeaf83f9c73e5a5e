"""Consumer: poll, consume and close."""

from __future__ import annotations

from time import time_ns
from typing import Any

from lineage.agent.batch import Round
from lineage.agent.clients import Client
from lineage.agent.guard import swallow
from lineage.agent.instances import client_of
from lineage.agent.patches.confluent_kafka.subclass import cluster_of, subclass
from lineage.agent.receives import Received
from lineage.agent.recorder import Recorder, switch
from lineage.model import semconv
from lineage.model.headers import LINEAGE, is_lineage


def traced_consumer(original: Any) -> Any:
    """A Consumer whose messages are current while the application handles them; same signature, results and errors."""
    poll_, consume_ = original.poll, original.consume

    def poll(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = switch.recorder
        if recorder is None:
            return poll_(self, *args, **kwargs)
        client = asked(recorder, self)
        message = poll_(self, *args, **kwargs)
        if message is not None and client is not None:
            _one(recorder, client, original, self, message)
        return message

    def consume(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = switch.recorder
        if recorder is None:
            return consume_(self, *args, **kwargs)
        client = asked(recorder, self)
        messages = consume_(self, *args, **kwargs)
        if messages and client is not None:
            return several(recorder, client, original, self, messages)
        return messages

    methods = {"poll": poll, "consume": consume, "commit": _committing(original.commit)}
    methods.update({name: closing(getattr(original, name)) for name in ("close", "__exit__") if hasattr(original, name)})
    return subclass(original, methods)


def asked(recorder: Recorder, consumer: Any) -> Client | None:
    """The consumer is asked for more: what it gave before has been handled. Never raises."""
    try:
        client = client_of(recorder, consumer, semconv.PROCESS)
        recorder.receives.next_request(client)
        if recorder.settlements.polls:
            client.requested = time_ns()
        return client
    except Exception as error:
        swallow(error)
        return None


def closing(close_: Any) -> Any:
    """A close that ends what is being handled first."""

    def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = switch.recorder
        if recorder is not None and id(self) in recorder.clients:
            asked(recorder, self)
        return close_(self, *args, **kwargs)

    return close


def several(recorder: Recorder, client: Client, original: Any, consumer: Any, messages: list[Any]) -> list[Any]:
    """The batch to give to the application. Never raises."""
    try:
        _learn(client, original, consumer)
        batch = recorder.receives.batch(client, messages, map(received, messages))
        if recorder.hides_header:
            _hide_headers(messages)
        if recorder.settlements.polls and isinstance(client.open, Round):
            recorder.settlements.polled(client, messages[0].topic(), client.requested, list(client.open.spans()))
        return batch
    except Exception as error:
        swallow(error)
        return messages


def received(message: Any) -> Received | None:
    """The facts of a message; None for an error event or the end of a partition."""
    if message.error() is not None:
        return None
    kind, timestamp = message.timestamp()
    return Received(
        message,
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        message.headers(),
        timestamp if kind else None,
    )


def _one(recorder: Recorder, client: Client, original: Any, consumer: Any, message: Any) -> None:
    try:
        facts = received(message)
        if facts is None:
            return
        _learn(client, original, consumer)
        recorder.receives.one(client, facts)
        if recorder.hides_header:
            _hide_headers([message])
        if recorder.settlements.polls and client.open is not None:
            recorder.settlements.polled(client, facts.topic, client.requested, [client.open])
    except Exception as error:
        swallow(error)


def _learn(client: Client, original: Any, consumer: Any) -> None:
    if client.cluster is None:
        client.learn_cluster(lambda: cluster_of(original, consumer))


def _hide_headers(messages: list[Any]) -> None:
    for message in messages:
        headers = message.headers()
        if headers and any(name == LINEAGE for name, _ in headers):
            kept = [pair for pair in headers if pair[0] != LINEAGE or not is_lineage(pair[1])]
            # Without headers a message has None, not an empty list.
            message.set_headers(kept or None)


def _committing(commit_: Any) -> Any:
    def commit(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = switch.recorder
        if recorder is None or not recorder.settlements.commits:
            return commit_(self, *args, **kwargs)
        span = _start_commit(recorder, self)
        error: BaseException | None = None
        try:
            return commit_(self, *args, **kwargs)
        except BaseException as raised:
            error = raised
            raise
        finally:
            if span is not None:
                _end_commit(recorder, span, error)

    return commit


def _start_commit(recorder: Recorder, consumer: Any) -> Any:
    try:
        client = client_of(recorder, consumer, semconv.PROCESS)
        return recorder.settlements.start(client, semconv.COMMIT, client.info.group)
    except Exception as error:
        swallow(error)
        return None


def _end_commit(recorder: Recorder, span: Any, error: BaseException | None) -> None:
    try:
        recorder.settlements.end(span, error)
    except Exception as problem:
        swallow(problem)
