"""Changelogs: the writer of a value travels in a header of its record, and is known again after recovery.

Expired values and those of other workers' partitions go without having been deleted; so does what is known of them.
"""

from __future__ import annotations

import functools
from typing import Any

from lineage.agent.patches.faust.kept import kept_of, known
from lineage.agent.patching import Patch
from lineage.agent.recorder import switch


def sending(original: Any) -> Any:
    """``send_changelog``: the record waits to be published when this returns, and its headers can still be written."""

    @functools.wraps(original)
    def send_changelog(self: Any, *args: Any, **kwargs: Any) -> Any:
        future = original(self, *args, **kwargs)
        kept = known(self)
        if kept is not None:
            kept.sent = future
        return future

    return send_changelog


def applying(original: Any) -> Any:
    """``apply_changelog_batch``."""

    @functools.wraps(original)
    def apply_changelog_batch(self: Any, batch: Any) -> Any:
        recorder = switch.recorder
        if recorder is None:
            return original(self, batch)
        events = list(batch)
        result = original(self, events)
        kept = kept_of(recorder, self)
        if kept is not None:
            kept.recovered(events)
        return result

    return apply_changelog_batch


def dropping(original: Any) -> Any:
    """``_del_old_keys`` and ``on_recovery_completed``."""

    @functools.wraps(original)
    async def drop(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = await original(self, *args, **kwargs)
        kept = known(self)
        if kept is not None:
            kept.prune()
        return result

    return drop


CHANGELOG_PATCHES = (
    Patch("faust.tables.base", "Collection.send_changelog", sending),
    Patch("faust.tables.base", "Collection.apply_changelog_batch", applying),
    Patch("faust.tables.base", "Collection._del_old_keys", dropping),
    Patch("faust.tables.base", "Collection.on_recovery_completed", dropping),
)
