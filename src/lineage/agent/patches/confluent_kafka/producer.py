"""Producer: produce, produce_batch and transactions."""

from __future__ import annotations

from typing import Any

from lineage.agent.clients import Client
from lineage.agent.guard import swallow
from lineage.agent.instances import client_of
from lineage.agent.patches.confluent_kafka.batches import produce_each
from lineage.agent.patches.confluent_kafka.subclass import cluster_of, subclass
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
        if topic is _MISSING or extra or unknown:
            # Only to have the client raise its own error.
            given = () if topic is _MISSING else (topic, *((value, key, partition, callback, None, timestamp, headers, *extra) if extra else ()))
            return produce_(self, *given, **unknown)
        recorder = switch.recorder
        send = None
        if recorder is not None:
            send = _started(recorder, original, self, topic, value, key, headers, callback)
        if send is None:
            return produce_(self, topic, value, key, partition, callback, None, timestamp, headers)
        try:
            result = produce_(self, topic, value, key, partition, send, None, timestamp, send.headers)
        except BaseException as error:
            if not _try_without_headers(send, error):
                raise
        else:
            # The client has copied them, and thousands of sends may wait for their delivery.
            send.headers = None
            return result
        try:
            return produce_(self, topic, value, key, partition, send, None, timestamp, headers)
        except BaseException as error:
            refused(send, error)
            raise

    return produce


def _started(
    recorder: Recorder, original: Any, producer: Any, topic: Any, value: Any, key: Any, headers: Any, callback: Any
) -> SendSpan | None:
    try:
        client = client_of(recorder, producer, semconv.SEND)
        if client.cluster is None:
            client.learn_cluster(lambda: cluster_of(original, producer))
        if topic.__class__ is not str or not (callback is None or callable(callback)):
            return None
        return recorder.sends.start(client, topic, value, key, headers, callback)
    except Exception as error:
        swallow(error)
        return None


def _try_without_headers(send: SendSpan, error: BaseException) -> bool:
    try:
        if send.sends.without_headers(send, error):
            return True
    except Exception as problem:
        swallow(problem)
    refused(send, error)
    return False


def refused(send: SendSpan, error: BaseException) -> None:
    """Report that the client refused to take a message. Never raises."""
    try:
        send.sends.refused(send, error)
    except Exception as problem:
        swallow(problem)


def _produce_batch(original: Any) -> Any:
    produce_batch_ = original.produce_batch

    def produce_batch(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = switch.recorder
        if recorder is not None:
            prepared = produce_each(recorder, original, self, args, kwargs)
            if prepared is not None:
                return prepared()
        return produce_batch_(self, *args, **kwargs)

    return produce_batch


def _serving(original: Any) -> dict[str, Any]:
    """The methods that call delivery callbacks: behind the first one the cluster's id is known.

    It cannot be asked for in between: a client method within a callback of the same client ends the outer call's state.
    """

    def serving(name: str) -> Any:
        method_ = getattr(original, name)

        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            recorder = switch.recorder
            client = recorder.clients.get(id(self)) if recorder is not None else None
            if client is None or client.cluster is not None:
                return method_(self, *args, **kwargs)
            client.undescribed = []
            try:
                return method_(self, *args, **kwargs)
            finally:
                _described(recorder, client, lambda: cluster_of(original, self))

        return method

    return {name: serving(name) for name in ("poll", "flush", "close", "__exit__") if hasattr(original, name)}


def _described(recorder: Recorder, client: Client, ask: Any) -> None:
    try:
        client.learn_cluster(ask, at_once=bool(client.undescribed))
        recorder.sends.described(client)
    except Exception as error:
        swallow(error)


def _transactions(original: Any) -> dict[str, Any]:
    begin_ = original.begin_transaction

    def begin_transaction(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = begin_(self, *args, **kwargs)
        recorder = switch.recorder
        if recorder is not None:
            try:
                recorder.settlements.begin_transaction(client_of(recorder, self, semconv.SEND))
            except Exception as error:
                swallow(error)
        return result

    ends = {
        "commit_transaction": _settling(original.commit_transaction, semconv.COMMIT),
        "abort_transaction": _settling(original.abort_transaction, semconv.ABORT),
    }
    return {"begin_transaction": begin_transaction, **ends}


def _settling(method_: Any, operation: str) -> Any:
    def settle(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = switch.recorder
        client = recorder.clients.get(id(self)) if recorder is not None else None
        if recorder is None or client is None or not recorder.settlements.transactions:
            return method_(self, *args, **kwargs)
        with _settlement(recorder, client, operation):
            return method_(self, *args, **kwargs)

    return settle


class _settlement:  # noqa: N801  # used like a function
    """Records what happens inside; never raises anything of its own."""

    def __init__(self, recorder: Recorder, client: Client, operation: str) -> None:
        self._recorder, self._client, self._operation = recorder, client, operation
        self._span: Any = None

    def __enter__(self) -> None:
        try:
            self._span = self._recorder.settlements.start(self._client, self._operation, self._client.info.transactional_id)
        except Exception as error:
            swallow(error)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            self._client.transaction = None
        if self._span is not None:
            try:
                self._recorder.settlements.end(self._span, error)
            except Exception as problem:
                swallow(problem)
