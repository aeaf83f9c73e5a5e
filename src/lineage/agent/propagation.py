"""Record headers <-> trace context through the configured OpenTelemetry propagators, W3C Trace Context and Baggage by hand.

The propagators take 1.4 us to inject and 3.5 us to extract; the two that everybody has take 0.3 us each written out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opentelemetry.baggage import _BAGGAGE_KEY as BAGGAGE_KEY
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import DefaultGetter, TextMapPropagator
from opentelemetry.trace import Span, TraceState, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from lineage.model.headers import (
    BAGGAGE,
    LINEAGE,
    TRACEPARENT,
    TRACESTATE,
    format_ids,
    format_traceparent,
    parse_traceparent,
)
from lineage.model.records import SpanRef

Pairs = list[tuple[Any, Any]]

_BAGGAGE_PROPAGATOR = W3CBaggagePropagator()


def parent_of(span: Span) -> SpanRef | None:
    """The parent that an OpenTelemetry span makes, or None for an invalid one."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    ids = context.trace_id.to_bytes(16, "big"), context.span_id.to_bytes(8, "big")
    return SpanRef(*ids, context.trace_flags.sampled, context.trace_state or None)


class Propagation:
    """Reads and writes headers; ``wanted`` are the names that it reads, ``replaced`` those that a send replaces."""

    def __init__(self, propagator: TextMapPropagator) -> None:
        self._propagator = propagator
        self.w3c = _is_w3c(propagator)
        self.markers = (TRACEPARENT,) if self.w3c else tuple(sorted(propagator.fields - {TRACESTATE, BAGGAGE}))
        self.wanted = frozenset({*propagator.fields, LINEAGE})
        self.replaced = self.wanted - {BAGGAGE, LINEAGE}

    def extract(self, headers: Iterable[tuple[str, Any]], found: dict[str, Any]) -> tuple[SpanRef | None, Any]:
        """The parent and the baggage that a record's headers carry; ``found`` has the last value of each wanted name."""
        if not self.w3c:
            return self._extract_any(found)
        ref = parse_traceparent(found.get(TRACEPARENT)) or _last_valid(headers)
        if ref is not None and TRACESTATE in found:
            ref = ref._replace(state=_trace_state(found[TRACESTATE]))
        return ref, (_baggage(found[BAGGAGE]) if BAGGAGE in found else None)

    def inject(self, span: Any, context: Context) -> Pairs:
        """The headers that carry this span and the context's baggage."""
        if not self.w3c:
            return self._inject_any(span, context)
        pairs: Pairs = [(TRACEPARENT, format_traceparent(format_ids(span.trace_id, span.span_id), span.sampled))]
        if span.state:
            pairs.append((TRACESTATE, span.state.to_header().encode()))
        if BAGGAGE_KEY in context:
            carrier: dict[str, str] = {}
            _BAGGAGE_PROPAGATOR.inject(carrier, context)
            pairs += [(name, value.encode()) for name, value in carrier.items()]
        return pairs

    def _extract_any(self, found: dict[str, Any]) -> tuple[SpanRef | None, Any]:
        carrier = {
            name: [text] for name, text in ((name, _text(value)) for name, value in found.items()) if text is not None
        }
        context = self._propagator.extract(carrier, Context(), DefaultGetter())
        return parent_of(get_current_span(context)), context.get(BAGGAGE_KEY)

    def _inject_any(self, span: Any, context: Context) -> Pairs:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, set_span_in_context(span, context))
        return [(name, value.encode()) for name, value in carrier.items()]


def _is_w3c(propagator: TextMapPropagator) -> bool:
    parts = propagator._propagators if isinstance(propagator, CompositePropagator) else [propagator]
    return {type(part) for part in parts} == {TraceContextTextMapPropagator, W3CBaggagePropagator}


def _last_valid(headers: Iterable[tuple[str, Any]]) -> Any:
    """The last ``traceparent`` that names a span: something else may have been appended behind it."""
    refs = (parse_traceparent(value) for name, value in headers if name == TRACEPARENT)
    return next(reversed([ref for ref in refs if ref]), None)


def _trace_state(value: Any) -> TraceState | None:
    text = _text(value)
    return (TraceState.from_header([text]) or None) if text else None


def _baggage(value: Any) -> Any:
    text = _text(value)
    return _BAGGAGE_PROPAGATOR.extract({BAGGAGE: [text]}, Context()).get(BAGGAGE_KEY) if text else None


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "ignore")
    return value if isinstance(value, str) else None
