"""The headers that a send carries. The caller's own are only read."""

from __future__ import annotations

from typing import Any

from lineage.agent.current import BAGGAGE_KEY
from lineage.agent.propagation import Pairs, Propagation
from lineage.model.headers import (
    BAGGAGE,
    LINEAGE,
    TRACEPARENT,
    format_ids,
    format_lineage,
    format_traceparent,
    is_lineage,
)


class Outbound:
    """Writes headers: those of the propagators and, with ``lineage``, our own; they take the place of an earlier hop's."""

    def __init__(self, propagation: Propagation, *, lineage: bool) -> None:
        self._propagation = propagation
        self._lineage = lineage
        replaced = propagation.replaced
        self._replaced = frozenset({*replaced, *(name.encode() for name in replaced)})
        self._touched = self._replaced | {LINEAGE, BAGGAGE}

    def headers(self, span: Any, sequence: int, pairs: Pairs) -> Pairs:
        """The caller's ``pairs`` and ours behind them, for the send's span as message number ``sequence`` of its topic."""
        if not span.span_id:
            return pairs
        ids = format_ids(span.trace_id, span.span_id)
        if self._propagation.w3c and not span.state and BAGGAGE_KEY not in span.outside:
            ours: Pairs = [(TRACEPARENT, format_traceparent(ids, span.sampled))]
        else:
            ours = self._propagation.inject(span, span.outside)
        if self._lineage:
            ours.append((LINEAGE, format_lineage(ids, span.topic.constant, sequence, span.hops, span.entry)))
        if span.propagated:
            present = {name for name, _ in (*pairs, *ours)}
            ours += [pair for pair in span.propagated if pair[0] not in present]
        return self.after(pairs, ours, with_baggage=BAGGAGE_KEY in span.outside)

    def after(self, pairs: Pairs, ours: Pairs, *, with_baggage: bool = False) -> Pairs:
        """The caller's headers, without a trace context of an earlier hop, and ``ours`` behind them."""
        return [*self._kept(pairs, with_baggage), *ours] if pairs else ours

    def _kept(self, pairs: Pairs, with_baggage: bool) -> Pairs:
        replaced = self._replaced
        if self._touched.isdisjoint([name for name, _ in pairs]):
            return pairs
        return [
            pair
            for pair in pairs
            if pair[0] not in replaced
            and not (pair[0] == LINEAGE and is_lineage(pair[1]))
            and not (with_baggage and pair[0] == BAGGAGE)
        ]


def pairs_of(headers: Any) -> Pairs | None:
    """The headers as a list of pairs; None for what the client will not accept, which then is its to refuse."""
    if headers is None:
        return []
    if isinstance(headers, dict):
        return list(headers.items())
    if not isinstance(headers, list) or not all(map(_is_pair, headers)):
        return None
    return headers


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], (str, bytes))
