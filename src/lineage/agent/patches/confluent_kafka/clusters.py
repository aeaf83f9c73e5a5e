"""The cluster's id, learnt without ever holding the application up."""

from __future__ import annotations

from contextlib import suppress
from threading import Thread
from typing import Any

from lineage.agent.clients import Client
from lineage.model import semconv

_TIMEOUT = 5.0


def learn_cluster(client: Client, original: Any, instance: Any, *, at_once: bool = False) -> None:
    """Find out which cluster this client talks to, now, later or never. Not to be called from a callback of the client."""
    if hasattr(original, "cluster_id"):
        client.learn_cluster(lambda: _known(original, instance), at_once=at_once)
    elif client.operation == semconv.SEND and client.topics:
        # 2.12 has only list_topics, which asks the broker; on a consumer it may hang (librdkafka 4214).
        client.learn_cluster(lambda: _ask_in_background(client, original, instance), once=True)


def _known(original: Any, instance: Any) -> str | None:
    """What the client knows: with a timeout of 0 librdkafka's rd_kafka_clusterid reads its cache and asks nobody."""
    try:
        found = original.cluster_id(instance, 0)
    except Exception:  # noqa: BLE001  # not known yet: the client raises a time-out
        return None
    return found if isinstance(found, str) else None


def _ask_in_background(client: Client, original: Any, instance: Any) -> None:
    topic = next(iter(client.topics))
    Thread(target=_ask, args=(client, original, instance, topic), name="lineage-cluster", daemon=True).start()


def _ask(client: Client, original: Any, instance: Any, topic: str) -> None:
    # No broker, no permission: then it stays unknown.
    with suppress(Exception):
        client.know_cluster(original.list_topics(instance, topic, _TIMEOUT).cluster_id)
