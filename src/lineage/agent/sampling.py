"""Sampling decisions without a span object: the SDK's own samplers compiled to one comparison, any other asked as it is."""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    StaticSampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import get_current_span

_EVERYTHING = 1 << 64


class Sampling:
    """``follow_parent`` and ``bound`` say it all for built-in samplers; ``other`` is the sampler to ask if they do not.

    A trace is sampled if the low 64 bits of its id are below ``bound`` (the SDK's TraceIdRatioBased).
    """

    __slots__ = ("bound", "follow_parent", "other", "record_unsampled")

    def __init__(self, sampler: Sampler, *, record_unsampled: bool = False) -> None:
        compiled = _compiled(sampler)
        self.follow_parent, self.bound = compiled or (True, _EVERYTHING)
        self.other = None if compiled else sampler
        self.record_unsampled = record_unsampled

    @property
    def below(self) -> int | None:
        """The bound, None if everything is below it."""
        return None if self.bound == _EVERYTHING else self.bound

    def decide(self, trace_id: bytes) -> bool:
        """Whether to record the root of this trace."""
        return self.bound == _EVERYTHING or int.from_bytes(trace_id[8:], "big") < self.bound

    def ask(self, context: Context, trace_id: bytes, template: Any) -> tuple[bool, dict[str, Any] | None, Any]:
        """The decision of a sampler that is not built in, the attributes that it adds, and the trace state.

        ``context`` has the parent as its current span.
        """
        if self.other is None:
            raise ValueError("a built-in sampler is not asked")
        number = int.from_bytes(trace_id, "big")
        result = self.other.should_sample(context, number, template.name, template.kind, template.attributes, ())
        sampled = result.decision is Decision.RECORD_AND_SAMPLE
        if self.record_unsampled and not sampled:
            sampled = get_current_span(context).get_span_context().is_valid
        added = {name: value for name, value in (result.attributes or {}).items() if name not in template.attributes}
        return sampled, added or None, result.trace_state or None


def _compiled(sampler: Sampler) -> tuple[bool, int] | None:
    """(follow the parent, bound), or None for a sampler that we cannot see through. Exact types: a subclass may do anything."""
    root = _bound(sampler)
    if root is not None:
        return False, root
    if (
        isinstance(sampler, ParentBased)
        and type(sampler).should_sample is ParentBased.should_sample
        and _has_default_children(sampler)
    ):
        root = _bound(sampler._root)
        return None if root is None else (True, root)
    return None


def _bound(sampler: Sampler) -> int | None:
    decide = type(sampler).should_sample
    if decide is StaticSampler.should_sample and isinstance(sampler, StaticSampler):
        return _EVERYTHING if sampler._decision is Decision.RECORD_AND_SAMPLE else 0
    if decide is TraceIdRatioBased.should_sample and isinstance(sampler, TraceIdRatioBased):
        return sampler.bound
    return None


def _has_default_children(sampler: ParentBased) -> bool:
    return (
        sampler._remote_parent_sampled is ALWAYS_ON
        and sampler._local_parent_sampled is ALWAYS_ON
        and sampler._remote_parent_not_sampled is ALWAYS_OFF
        and sampler._local_parent_not_sampled is ALWAYS_OFF
    )
