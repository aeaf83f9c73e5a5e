"""``produce_batch`` with headers: librdkafka's batch call has none, so it becomes a loop of ``produce``.

The loop answers as the batch call does: the number of messages taken, and ``_error`` in the dict of each that was not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from lineage.agent.current import var
from lineage.agent.guard import guarded
from lineage.agent.instances import client_of
from lineage.agent.recorder import Recorder
from lineage.model import semconv

CONTEXT = "lineage.context"
"""In a message's dict: the context that it was handed over in, if that was in another task."""

_PARAMETERS = ("topic", "messages", "partition", "callback", "on_delivery")


@guarded
def produce_each(
    recorder: Recorder, original: Any, producer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Callable[[], int] | None:
    """The loop, ready to run, or None for what is not traced or only the original can answer (it refuses, and says why)."""
    if len(args) > len(_PARAMETERS) or not {*kwargs} <= {*_PARAMETERS[len(args) :]}:
        return None
    given = {**dict(zip(_PARAMETERS, args, strict=False)), **kwargs}
    topic, messages, partition = given.get("topic"), given.get("messages"), given.get("partition", -1)
    callback = given.get("callback")
    default = callback if callback is not None else given.get("on_delivery")
    if not (
        type(topic) is str and topic and type(messages) is list and type(partition) is int and _is_callback(default)
    ):
        return None
    if not all(map(_is_plain, messages)) or not recorder.settings.traces(topic):
        return None

    def run() -> int:
        return sum(_produced(recorder, original, producer, topic, message, partition, default) for message in messages)

    return run


def _is_plain(message: Any) -> bool:
    return (
        type(message) is dict
        and isinstance(message.get("value"), (str, bytes, type(None)))
        and isinstance(message.get("key"), (str, bytes, type(None)))
        and type(message.get("partition", -1)) is int
        and "timestamp" not in message
        and isinstance(message.get("headers"), (list, dict, type(None)))
        and _is_callback(message.get("callback"))
    )


def _is_callback(callback: Any) -> bool:
    return callback is None or callable(callback)


def _produced(
    recorder: Recorder, original: Any, producer: Any, topic: str, message: dict[str, Any], partition: int, default: Any
) -> bool:
    own = message.get("callback")
    callback = own if own is not None else default
    send = _start(recorder, producer, topic, message, callback)
    hidden = callback is None and send is not None and send.client.info.hidden_callback
    report = callback if send is None or hidden else send
    where = message.get("partition", partition)

    def produce(headers: Any) -> None:
        original.produce(producer, topic, message.get("value"), message.get("key"), where, report, None, 0, headers)

    try:
        _with_headers(send, produce)
    except Exception as error:  # noqa: BLE001  # what is no answer of the client's is raised again below
        if send is not None:
            send.sends.refused(send, error)
        message["_error"] = _as_batch_error(error)
        return False
    if hidden:
        send.sends.unreported(send)
    return True


def _with_headers(send: Any, produce: Callable[[Any], None]) -> None:
    try:
        produce(send.headers if send is not None else None)
    except Exception as error:  # raised again if it is not about our headers
        if send is None or not send.sends.without_headers(send, error):
            raise
        produce(None)


@guarded
def _start(recorder: Recorder, producer: Any, topic: str, message: dict[str, Any], callback: Any) -> Any:
    context = message.get(CONTEXT)
    token = var.set(context) if context is not None else None
    try:
        client = client_of(recorder, producer, semconv.SEND)
        forwarded = message.get("headers")
        send = recorder.sends.start(client, topic, message.get("value"), message.get("key"), forwarded, callback)
        if send is not None and send.headers:
            # The batch call drops the caller's headers: what arrives must be the same without us.
            theirs = list(forwarded.items() if isinstance(forwarded, dict) else forwarded or ())
            send.headers = [pair for pair in send.headers if pair not in theirs]
        return send
    finally:
        if token is not None:
            var.reset(token)


def _as_batch_error(error: Exception) -> Any:
    """The KafkaError that the batch call would have put into the message's dict."""
    library = sys.modules["confluent_kafka.cimpl"]
    kafka_error = library.KafkaError
    if isinstance(error, BufferError):
        code = kafka_error._QUEUE_FULL
    elif isinstance(error, library.KafkaException) and error.args:
        code = error.args[0].code()
    else:
        raise error
    return kafka_error(code, f"Message failed: {kafka_error(code).str()}")
