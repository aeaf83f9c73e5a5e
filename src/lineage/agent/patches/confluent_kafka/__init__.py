"""confluent-kafka 2.12 to 2.16, however its clients are imported or subclassed.

Covered: Producer (produce, produce_batch, transactions), Consumer (poll, consume), ShareConsumer, the serializing and deserializing
classes built on them, and the asyncio clients. Conventions: OpenTelemetry messaging v1.44.

The clients are immutable C types, so subclasses take their place. Those have empty ``__slots__``: only then may classes that an
application derived from the originals before be rebased. Guards enclose our code, never theirs.
"""

from __future__ import annotations

from lineage.agent.patches.confluent_kafka.aio import AIO_PATCHES
from lineage.agent.patches.confluent_kafka.consumer import traced_consumer
from lineage.agent.patches.confluent_kafka.producer import traced_producer
from lineage.agent.patches.confluent_kafka.share import traced_share_consumer
from lineage.agent.patching import Patch

PATCHES = (
    Patch("confluent_kafka.cimpl", "Producer", traced_producer),
    Patch("confluent_kafka.cimpl", "Consumer", traced_consumer),
    Patch("confluent_kafka.cimpl", "ShareConsumer", traced_share_consumer, optional=True),
    *AIO_PATCHES,
)
