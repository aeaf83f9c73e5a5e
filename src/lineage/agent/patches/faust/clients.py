"""The recorder's clients: one for each stream, as each handles one event at a time, and one for each app that sends."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from lineage.agent.clients import Client, ClientInfo
from lineage.agent.instances import client_of, configured, forgotten
from lineage.agent.recorder import Recorder, switch
from lineage.model import semconv

_ATTRIBUTE = "_lineage_instance"


class _Instance:
    """Stands for a stream or an app among the recorder's clients, and goes when it goes."""

    def __del__(self) -> None:
        # At interpreter exit our own modules may be gone already.
        with suppress(Exception):
            forgotten(self, switch.recorder)


def consumer_of(recorder: Recorder, stream: Any) -> Client:
    """What one stream receives."""
    return _client(recorder, stream, stream.app, semconv.PROCESS)


def producer_of(recorder: Recorder, app: Any) -> Client:
    """What one app sends."""
    return _client(recorder, app, app, semconv.SEND)


def _client(recorder: Recorder, owner: Any, app: Any, operation: str) -> Client:
    instance = vars(owner).get(_ATTRIBUTE) or _instance(owner, app, operation)
    return recorder.clients.get(id(instance)) or client_of(recorder, instance, operation)


def _instance(owner: Any, app: Any, operation: str) -> _Instance:
    instance = _Instance()
    setattr(owner, _ATTRIBUTE, instance)
    group = app.conf.id if operation == semconv.PROCESS else None
    configured(instance, ClientInfo(app.conf.broker_client_id, group, _servers(app)))
    return instance


def _servers(app: Any) -> str:
    return ",".join(f"{url.host}:{url.port or 9092}" for url in app.conf.broker)
