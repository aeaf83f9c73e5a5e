"""ShareConsumer (share groups, KIP-932): batches with a delivery count, and acknowledgements."""

from __future__ import annotations

from typing import Any

from lineage.agent.batch import Round
from lineage.agent.guard import guarded
from lineage.agent.patches.confluent_kafka.consumer import asked, closing, several
from lineage.agent.patches.confluent_kafka.subclass import subclass
from lineage.agent.recorder import switch
from lineage.model import semconv


def traced_share_consumer(original: Any) -> Any:
    """A ShareConsumer whose messages are current while the application handles them."""
    poll_, acknowledge_ = original.poll, original.acknowledge

    def poll(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = switch.recorder
        if recorder is None:
            return poll_(self, *args, **kwargs)
        client = asked(recorder, self)
        messages = poll_(self, *args, **kwargs)
        if not messages or client is None:
            return messages
        # 2.16 returns a Messages object around a list, earlier ones the list.
        records = getattr(messages, "_records", messages)
        batch = several(recorder, client, original, self, records) or records
        _count_deliveries(client.open, records)
        if records is messages:
            return batch
        messages._records = batch
        return messages

    def acknowledge(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = acknowledge_(self, *args, **kwargs)
        _acknowledged(self, *args, **kwargs)
        return result

    methods: dict[str, Any] = {"poll": poll, "acknowledge": acknowledge}
    methods.update(
        {name: closing(getattr(original, name)) for name in ("close", "__exit__") if hasattr(original, name)}
    )
    return subclass(original, methods)


@guarded
def _count_deliveries(handled: Any, records: Any) -> None:
    if isinstance(handled, Round):
        for message in list.__iter__(records):
            _describe(handled.find(message), semconv.DELIVERY_COUNT, message.delivery_count())


@guarded
def _acknowledged(consumer: Any, message: Any, ack_type: Any = None) -> None:
    recorder = switch.recorder
    client = recorder.clients.get(id(consumer)) if recorder is not None else None
    if client is not None and isinstance(client.open, Round):
        how = str(getattr(ack_type, "name", ack_type or "ACCEPT")).lower()
        _describe(client.open.find(message), semconv.ACKNOWLEDGEMENT, how)


def _describe(span: Any, name: str, value: Any) -> None:
    if span is not None:
        span.extra = {**(span.extra or {}), name: value}
