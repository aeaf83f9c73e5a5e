"""faust-streaming 0.15: agents, streams, topics and tables.

A Faust application does not call its Kafka client itself: a consumer in a thread of its own fetches, streams hand events to agents,
and a producer sends later what was buffered. So receives and sends are recorded where the application's own code meets them. The
handling of an event lasts from its arrival in a stream until whoever iterates over that stream asks for the next one.
"""

from __future__ import annotations

from lineage.agent.patches.faust.changelog import CHANGELOG_PATCHES
from lineage.agent.patches.faust.sends import SEND_PATCHES
from lineage.agent.patches.faust.sidecars import SIDECAR_PATCHES
from lineage.agent.patches.faust.steps import STEP_PATCHES
from lineage.agent.patches.faust.streams import STREAM_PATCHES
from lineage.agent.patches.faust.tables import TABLE_PATCHES
from lineage.agent.patches.faust.taken import TAKE_PATCHES

PATCHES = (
    *STREAM_PATCHES,
    *TAKE_PATCHES,
    *STEP_PATCHES,
    *SEND_PATCHES,
    *TABLE_PATCHES,
    *CHANGELOG_PATCHES,
    *SIDECAR_PATCHES,
)
