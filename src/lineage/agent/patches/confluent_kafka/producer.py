"""Producer: produce, produce_batch and transactions."""

from __future__ import annotations

from typing import Any

from lineage.agent.clients import Client
from lineage.agent.guard import guarded, swallow
from lineage.agent.instances import client_of
from lineage.agent.patches.confluent_kafka.batches import produce_each
from lineage.agent.patches.confluent_kafka.clusters import learn_cluster
from lineage.agent.patches.confluent_kafka.subclass import subclass
from lineage.agent.recorder import Recorder, switch
from lineage.agent.sends import SendSpan
from lineage.model import semconv

_MISSING: Any = object()


def traced_producer(original: Any) -> Any:
    """A Producer whose sends are recorded; same signature, callbacks, results and errors."""
    methods = {"produce": _produce(original), **_serving(original), **_transactions(original)}
    if hasattr(original, "produce_batch"):
        methods["produce_batch"] = _produce_batch(original)
    return subclass(original, methods)


def _produce(original: Any) -> Any:
    produce_ = original.produce

    def produce(
        self: Any,
        topic: Any = _MISSING,
        value: Any = None,
        key: Any = None,
        partition: Any = -1,
        callback: Any = _MISSING,
        on_delivery: Any = _MISSING,
        timestamp: Any = 0,
        headers: Any = None,
        *extra: Any,
        **unknown: Any,
    ) -> Any:
        if callback is _MISSING:
            # An alias, unless callback=None was passed explicitly: then the client ignores on_delivery.
            callback = None if on_delivery is _MISSING else on_delivery
        recorder = switch.recorder
        if topic is _MISSING or extra or unknown:
            return produce_(
                self, *_refusable(topic, value, key, partition, callback, timestamp, headers, extra), **unknown
            )
        send = None
        if recorder is not None:
            send = _start(recorder, self, topic, value, key, headers, callback)
        if send is None:
            return produce_(self, topic, value, key, partition, callback, None, timestamp, headers)
        # Without a callback of ours the client has none to make a message for.
        report = None if send.callback is None and (send.end_time or send.client.info.hidden_callback) else send
        try:
            result = produce_(self, topic, value, key, partition, report, None, timestamp, send.headers)
        except BaseException as error:
            if not send.sends.without_headers(send, error):
                send.sends.refused(send, error)
                raise
        else:
            # The client has copied them, and thousands of sends may wait for their delivery.
            send.headers = None
            if report is None:
                send.sends.unreported(send)
            return result
        try:
            return produce_(self, topic, value, key, partition, report, None, timestamp, headers)
        except BaseException as error:
            send.sends.refused(send, error)
            raise

    return produce


def _refusable(topic: Any, *given: Any) -> tuple[Any, ...]:
    """Arguments that the client will refuse, for it to say why: no topic, an unknown keyword, too many."""
    *known, timestamp, headers, extra = given
    if topic is _MISSING or not extra:
        return () if topic is _MISSING else (topic,)
    return (topic, *known, None, timestamp, headers, *extra)


def _start(
    recorder: Recorder, producer: Any, topic: Any, value: Any, key: Any, headers: Any, callback: Any
) -> SendSpan | None:
    try:
        client = recorder.clients.get(id(producer)) or client_of(recorder, producer, semconv.SEND)
        if topic.__class__ is not str or not (callback is None or callable(callback)):
            return None
        return recorder.sends.start(client, topic, value, key, headers, callback)
    except Exception as error:  # noqa: BLE001  # ``guarded`` by hand, for each send comes here
        swallow(error)
        return None


def _produce_batch(original: Any) -> Any:
    produce_batch_ = original.produce_batch

    def produce_batch(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = switch.recorder
        prepared = produce_each(recorder, original, self, args, kwargs) if recorder is not None else None
        return produce_batch_(self, *args, **kwargs) if prepared is None else prepared()

    return produce_batch


def _serving(original: Any) -> dict[str, Any]:
    """The methods that call delivery callbacks: behind the first one the cluster's id is known.

    It cannot be asked for in between, nor by a send, which may come from a callback: a client method within a callback of the same
    client ends the outer call's state, and with that the process.
    """

    def serving(name: str) -> Any:
        method_ = getattr(original, name)

        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            recorder = switch.recorder
            client = recorder.clients.get(id(self)) if recorder is not None else None
            if recorder is None or client is None or client.cluster is not None:
                return method_(self, *args, **kwargs)
            client.serving += 1
            try:
                return method_(self, *args, **kwargs)
            finally:
                client.serving -= 1
                _described(recorder, client, original, self)

        return method

    return {name: serving(name) for name in ("poll", "flush", "close", "__exit__") if hasattr(original, name)}


@guarded
def _described(recorder: Recorder, client: Client, original: Any, producer: Any) -> None:
    learn_cluster(client, original, producer, at_once=bool(client.undescribed))
    recorder.sends.described(client)


def _transactions(original: Any) -> dict[str, Any]:
    begin_ = original.begin_transaction

    def begin_transaction(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = begin_(self, *args, **kwargs)
        recorder = switch.recorder
        if recorder is not None:
            _begun(recorder, self)
        return result

    return {
        "begin_transaction": begin_transaction,
        "commit_transaction": _settling(original.commit_transaction, semconv.COMMIT),
        "abort_transaction": _settling(original.abort_transaction, semconv.ABORT),
    }


@guarded
def _begun(recorder: Recorder, producer: Any) -> None:
    recorder.settlements.begin_transaction(client_of(recorder, producer, semconv.SEND))


def _settling(method_: Any, operation: str) -> Any:
    def settle(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = switch.recorder
        client = recorder.clients.get(id(self)) if recorder is not None else None
        if recorder is None or client is None:
            return method_(self, *args, **kwargs)
        settlements = recorder.settlements
        span = settlements.start(client, operation, client.info.transactional_id) if settlements.transactions else None
        try:
            result = method_(self, *args, **kwargs)
        except BaseException as error:
            settlements.end(span, error)
            raise
        settlements.end(span, None)
        # Only now: after an error that allows it, the application tries again or aborts.
        client.transaction = None
        return result

    return settle
