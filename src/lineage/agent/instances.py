"""Which recorder client an application's client instance is. C types hold no attributes, so this goes by identity."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from lineage.agent.clients import Client, ClientInfo
from lineage.agent.recorder import Recorder, active

_infos: dict[int, ClientInfo] = {}
_on_client: Callable[[], object] | None = None


def on_client(callback: Callable[[], object] | None) -> None:
    """Call this whenever a client is made: until then a process has nothing of ours to lose. None ends it."""
    global _on_client
    _on_client = callback


def configured(instance: object, info: ClientInfo) -> None:
    """A client was constructed with this configuration; its address may have been another's before."""
    forgotten(instance, active())
    _infos[id(instance)] = info
    if _on_client is not None:
        _on_client()


def forgotten(instance: object, recorder: Recorder | None) -> None:
    """A client is about to be freed."""
    _infos.pop(id(instance), None)
    if recorder is not None:
        recorder.forget(instance)


def client_of(recorder: Recorder, instance: object, operation: str) -> Client:
    """The recorder's client for this instance, made at its first use."""
    client = recorder.clients.get(id(instance))
    if client is None:
        client = recorder.client(instance, operation, _infos.get(id(instance)) or _unseen(instance))
        if _on_client is not None:
            _on_client()
    return client


def _unseen(instance: object) -> ClientInfo:
    """A client that was constructed before the agent; the garbage collector sees whether it has callbacks, but not which."""
    held = gc.get_referents(instance)
    return ClientInfo(hidden_callback=any(callable(each) and not isinstance(each, type) for each in held))


def info_from(config: dict[str, Any]) -> ClientInfo:
    """What we need to know of a librdkafka configuration."""

    def text(name: str) -> str | None:
        value = config.get(name)
        return value if isinstance(value, str) and value else None

    servers = text("bootstrap.servers") or text("metadata.broker.list")
    errors_only = str(config.get("delivery.report.only.error", "")).lower() in ("true", "1")
    return ClientInfo(
        text("client.id") or "rdkafka",
        text("group.id"),
        servers,
        text("transactional.id"),
        config.get("on_delivery"),
        errors_only,
    )
