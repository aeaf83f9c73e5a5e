"""Quix Streams 3: transform steps, state stores, windows, joins and sinks.

Its clients are confluent-kafka's: receiving and sending are traced by the patches of that library. What is added here is what
happens in between, and which earlier messages a value in a state store comes from, also after a restart, a rebalance or a recovery
from the changelog. State is the same with and without the agent: writers lie beside the values (``kept``) and in a changelog
header (``changelog``).
"""

from __future__ import annotations

from lineage.agent.patches.quixstreams import changelog, joins, messages, sinks, sliding, state, steps, windows

PATCHES = (
    *messages.PATCHES,
    *steps.PATCHES,
    *state.PATCHES,
    *windows.PATCHES,
    *sliding.PATCHES,
    *joins.PATCHES,
    *changelog.PATCHES,
    *sinks.PATCHES,
)
