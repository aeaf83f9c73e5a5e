"""Messages that are read ahead and handled later, as with joins: each is received when it is taken out of the buffer.

Without buffer the consumer's own patch does it all.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context

from lineage.agent.clients import Client
from lineage.agent.current import SUPPRESSED, var
from lineage.agent.guard import guarded
from lineage.agent.instances import client_of
from lineage.agent.patching import Patch
from lineage.agent.receives import Received
from lineage.agent.recorder import Recorder, switch
from lineage.model import semconv


def buffered(original: Any) -> Any:
    """``InternalConsumer._poll_buffered``."""

    def _poll_buffered(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = switch.recorder
        client = _asked(recorder, self._consumer) if recorder is not None else None
        if recorder is None or client is None:
            return original(self, *args, **kwargs)
        token = var.set(Context({**var.get(), SUPPRESSED: True}))
        try:
            message = original(self, *args, **kwargs)
        finally:
            var.reset(token)
        if message is not None:
            _taken(recorder, client, message)
        return message

    return _poll_buffered


@guarded
def _asked(recorder: Recorder, consumer: Any) -> Client:
    client = client_of(recorder, consumer, semconv.PROCESS)
    recorder.receives.next_request(client)
    return client


@guarded
def _taken(recorder: Recorder, client: Client, message: Any) -> None:
    kind, timestamp = message.timestamp()
    place = message.topic(), message.partition(), message.offset()
    content = message.key(), message.value(), message.headers()
    recorder.receives.one(client, Received(message, *place, *content, timestamp if kind else None))


PATCHES = (Patch("quixstreams.internal_consumer.consumer", "InternalConsumer._poll_buffered", buffered),)
