"""The application's Kafka clients, as the recorder knows them: what all their spans have in common, topic by topic."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from math import inf
from random import Random
from time import monotonic
from typing import Any

from opentelemetry.trace import SpanKind

from lineage.agent.settings import Settings
from lineage.agent.spans import Template
from lineage.model import semconv
from lineage.model.headers import constant_part, entry_place

_KINDS = {semconv.SEND: SpanKind.PRODUCER, semconv.PROCESS: SpanKind.CONSUMER}
_LEARN_EVERY = 0.5
"""Seconds between two attempts to learn the cluster's id."""

_COUNTED = (semconv.SYSTEM, semconv.OPERATION_NAME, semconv.DESTINATION, semconv.GROUP)

# Clients with the same bootstrap servers talk to the same cluster: what one has learnt the next knows at once.
_known_clusters: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """What a client's configuration says: ``servers`` is bootstrap.servers as it stands, ``on_delivery`` its own callback.

    ``hidden_callback``: there may be one that we do not know, as the client is older than the agent. Then it is left in place.
    """

    client_id: str | None = None
    group: str | None = None
    servers: str | None = None
    transactional_id: str | None = None
    on_delivery: Any = None
    errors_only: bool = False
    hidden_callback: bool = False


Attributes = tuple[tuple[str, Any], ...]


class Topic:
    """One topic as one client uses it.

    ``count`` numbers its messages; for ``refused`` of them the client's queue had no room; ``constant`` and ``place`` are fixed
    parts of our header.
    """

    __slots__ = ("constant", "count", "name", "place", "refused", "template", "traced")

    def __init__(self, name: str, traced: bool) -> None:
        self.name = name
        self.traced = traced
        self.count = count(1)
        self.refused = 0
        self.template: Template
        self.constant = self.place = b""


class Client:
    """One producer or consumer instance.

    ``open`` is what a consumer's application handles right now (a ProcessSpan or a Round). ``transaction`` names the one that a
    producer is in, and ``last_send`` its last send. ``pending`` has the sends that wait for their delivery report, by span id.
    While delivery reports come in (``serving`` calls) and the cluster is not known, ``undescribed`` has the sends that wait for it.
    """

    __slots__ = (
        "_learn_after",
        "_settings",
        "cluster",
        "info",
        "instance",
        "last_send",
        "open",
        "operation",
        "pending",
        "requested",
        "serving",
        "topics",
        "transaction",
        "transactions",
        "undescribed",
    )

    def __init__(self, operation: str, info: ClientInfo, settings: Settings, random: Random) -> None:
        self.operation = operation
        self.info = info
        self.instance = f"{random.getrandbits(48):012x}"
        self.cluster = _known_clusters.get(info.servers or "")
        self.topics: dict[str, Topic] = {}
        self.open: Any = None
        self.requested = 0
        self.pending: dict[bytes, Any] = {}
        self.serving = 0
        self.undescribed: deque[Any] = deque()
        self.transaction: dict[str, Any] | None = None
        self.transactions = count(1)
        self.last_send: Any = None
        self._settings = settings
        self._learn_after = 0.0

    def topic(self, name: str) -> Topic:
        """The topic's entry, made at its first use."""
        topic = Topic(name, self._settings.traces(name))
        self._describe(topic)
        return self.topics.setdefault(name, topic)

    def traces(self, name: str) -> bool:
        """Whether messages of this topic are traced."""
        return (self.topics.get(name) or self.topic(name)).traced

    def learn_cluster(self, ask: Callable[[], str | None], *, at_once: bool = False, once: bool = False) -> None:
        """Ask for the cluster's id unless it is known or was asked for just now; ``ask`` must not block."""
        if self.cluster is not None or (monotonic() < self._learn_after and not at_once):
            return
        self._learn_after = inf if once else monotonic() + _LEARN_EVERY
        self.know_cluster(_known_clusters.get(self.info.servers or "") or ask())

    def know_cluster(self, cluster: str | None) -> None:
        """The cluster's id is known, for all clients with the same servers."""
        if not cluster:
            return
        self.cluster = cluster
        if self.info.servers:
            _known_clusters[self.info.servers] = cluster
        for topic in list(self.topics.values()):
            self._describe(topic)

    def totals(self) -> Iterator[tuple[Attributes, int]]:
        """How many messages of each traced topic passed, with the attributes to count them by."""
        for topic in list(self.topics.values()):
            # The next number is all that a count tells without taking one.
            passed = int(repr(topic.count)[len("count(") : -1]) - 1 - topic.refused
            if topic.traced and passed:
                yield (
                    tuple(
                        (name, topic.template.attributes[name])
                        for name in _COUNTED
                        if name in topic.template.attributes
                    ),
                    passed,
                )

    def template(self, operation: str, destination: str | None, kind: SpanKind) -> Template:
        """What spans of this operation have in common."""
        attributes = {
            semconv.SYSTEM: "kafka",
            semconv.OPERATION_NAME: operation,
            semconv.OPERATION_TYPE: semconv.OPERATION_TYPES[operation],
            semconv.DESTINATION: destination,
            semconv.CLIENT_ID: self.info.client_id,
            semconv.GROUP: self.info.group,
            semconv.CLUSTER: self.cluster,
            **_server(self.info.servers),
        }
        name = f"{operation} {destination}" if destination else operation
        return Template(name, kind, {name: value for name, value in attributes.items() if value is not None})

    def _describe(self, topic: Topic) -> None:
        topic.template = self.template(self.operation, topic.name, _KINDS[self.operation])
        topic.constant = constant_part(topic.name, self.cluster, self.instance)
        topic.place = entry_place(topic.name, self.cluster)


def _server(servers: str | None) -> dict[str, Any]:
    """The first bootstrap server: ``[protocol://]host[:port]``."""
    first = (servers or "").split(",")[0].strip().rpartition("://")[2]
    host, colon, port = first.rpartition(":")
    if not colon:
        return {semconv.SERVER_ADDRESS: first} if first else {}
    return {semconv.SERVER_ADDRESS: host, **({semconv.SERVER_PORT: int(port)} if port.isdigit() else {})}
