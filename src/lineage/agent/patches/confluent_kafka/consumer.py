"""Consumer: poll, consume and close."""

from __future__ import annotations

from time import time_ns
from typing import Any

from lineage.agent.batch import Round
from lineage.agent.clients import Client
from lineage.agent.guard import guarded, swallow
from lineage.agent.instances import client_of
from lineage.agent.patches.confluent_kafka.clusters import learn_cluster
from lineage.agent.patches.confluent_kafka.subclass import subclass
from lineage.agent.receives import Received
from lineage.agent.recorder import Recorder, switch
from lineage.model import semconv
from lineage.model.headers import LINEAGE, is_lineage

# A named tuple's own constructor takes three times as long.
_new = tuple.__new__


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
            return several(recorder, client, original, self, messages) or messages
        return messages

    methods = {"poll": poll, "consume": consume, "commit": _committing(original.commit)}
    methods.update(
        {name: closing(getattr(original, name)) for name in ("close", "__exit__") if hasattr(original, name)}
    )
    return subclass(original, methods)


def asked(recorder: Recorder, consumer: Any) -> Client | None:
    """The consumer is asked for more: what it gave before has been handled."""
    try:
        client = recorder.clients.get(id(consumer)) or client_of(recorder, consumer, semconv.PROCESS)
        recorder.receives.next_request(client)
        if recorder.settlements.polls:
            client.requested = time_ns()
    except Exception as error:  # noqa: BLE001  # ``guarded`` by hand, for each poll comes here
        swallow(error)
        return None
    return client


def closing(close_: Any) -> Any:
    """A close that ends what is being handled first."""

    def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = switch.recorder
        client = recorder.clients.get(id(self)) if recorder is not None else None
        if recorder is not None and client is not None:
            _closed(recorder, client)
        return close_(self, *args, **kwargs)

    return close


@guarded
def _closed(recorder: Recorder, client: Client) -> None:
    recorder.receives.closed(client)


@guarded
def several(recorder: Recorder, client: Client, original: Any, consumer: Any, messages: list[Any]) -> list[Any]:
    """The batch to give to the application."""
    learn_cluster(client, original, consumer)
    batch = recorder.receives.batch(client, messages, [_received(client, message) for message in messages])
    if recorder.hides_header:
        _hide_headers(messages)
    if recorder.settlements.polls and isinstance(client.open, Round):
        recorder.settlements.polled(client, messages[0].topic(), client.requested, list(client.open.spans()))
    return batch


def _received(client: Client, message: Any) -> Received | None:
    """The facts of a message; None for one that is not traced, an error event or the end of a partition."""
    traced = message.error() is None and client.traces(message.topic())
    return _facts(message) if traced else None


def _facts(message: Any) -> Received:
    kind, timestamp = message.timestamp()
    return _new(
        Received,
        (
            message,
            message.topic(),
            message.partition(),
            message.offset(),
            message.key(),
            message.value(),
            message.headers(),
            timestamp if kind else None,
            None,
        ),
    )


def _one(recorder: Recorder, client: Client, original: Any, consumer: Any, message: Any) -> None:
    try:
        facts = _received(client, message)
        if facts is None:
            return
        if client.cluster is None:
            learn_cluster(client, original, consumer)
        recorder.receives.one(client, facts)
        if recorder.hides_header:
            _hide_headers([message])
        if recorder.settlements.polls and client.open is not None:
            recorder.settlements.polled(client, facts.topic, client.requested, [client.open])
    except Exception as error:  # noqa: BLE001  # ``guarded`` by hand, for each message comes here
        swallow(error)


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
        client = recorder.clients.get(id(self)) if recorder is not None else None
        if recorder is None or client is None or not recorder.settlements.commits:
            return commit_(self, *args, **kwargs)
        span = recorder.settlements.start(client, semconv.COMMIT, client.info.group)
        try:
            result = commit_(self, *args, **kwargs)
        except BaseException as error:
            recorder.settlements.end(span, error)
            raise
        recorder.settlements.end(span, None)
        return result

    return commit
