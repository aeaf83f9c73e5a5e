"""The parent of a send: trace rule 2, written out.

In this order: headers forwarded from a message that this process consumed; what is being handled here; a value that is another
message's very object; headers forwarded from elsewhere; nothing. Never a guess: a missing edge beats a false one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import Link

from lineage.agent.batch import Round
from lineage.agent.current import HANDLING, SPAN, Handling, ProcessSpan, is_stale
from lineage.agent.evidence import Evidence
from lineage.agent.propagation import Pairs, Propagation, parent_of
from lineage.agent.spans import LightSpan
from lineage.model import semconv
from lineage.model.headers import LINEAGE, parse_progress
from lineage.model.records import ROLE_INPUT


class Cause(NamedTuple):
    """``parent`` has trace_id, span_id, sampled and state, or is None; ``event`` is the message or send that the event came by."""

    parent: Any = None
    event: Any = None
    others: tuple[LightSpan, ...] = ()
    role: str | None = None


class Forwarded(NamedTuple):
    """An event that this process did not consume: what the headers that the caller forwards say of it."""

    hops: int
    entry: bytes
    propagated: tuple[tuple[str, Any], ...] = ()


_NOTHING = Cause()
_new = tuple.__new__


def _certain(span: Any) -> Cause:
    """This message and nothing else: what nearly all sends have, made in a third of the time."""
    return _new(Cause, (span, span, (), None))


class Causes:
    """Finds causes; ``captured_ns`` is how long an ended handling counts in threads and tasks that were started in it."""

    def __init__(self, evidence: Evidence, propagation: Propagation, captured_ns: int) -> None:
        self._evidence = evidence
        self._propagation = propagation
        self._captured_ns = captured_ns

    def of_send(self, context: Context, value: Any, headers: Pairs | None) -> Cause:
        """Why this is sent; ``headers`` are the caller's, as pairs."""
        current = self.of_context(context)
        if headers:
            handled = current.event if current.role is None else None
            origin = self._evidence.of_headers(headers, handled)
            if origin is not None:
                return current if origin is handled and _descends(current.parent, origin) else _certain(origin)
        origin = self._evidence.of_value(value)
        if origin is not None:
            current = _with_value(current, origin)
        if current.parent is None and headers:
            return self._of_foreign_headers(headers)
        return current

    def of_context(self, context: Context) -> Cause:
        """What the context alone shows."""
        handling: Any = context.get(HANDLING)
        span: Any = context.get(SPAN)
        if handling is None:
            return _NOTHING if span is None else Cause(_as_parent(span))
        if span is handling and not handling.end_time:
            return _certain(handling)
        if isinstance(handling, Round) and (in_hand := handling.in_hand()) is not None:
            return _certain(in_hand)
        if handling.end_time and is_stale(handling, self._captured_ns):
            outside: Any = handling.base.get(SPAN)
            return _NOTHING if outside is None else Cause(_as_parent(outside))
        return _of_handling(handling, span)

    def _of_foreign_headers(self, headers: Pairs) -> Cause:
        wanted = self._propagation.wanted
        found = {name: value for name, value in headers if name in wanted}
        if not found:
            return _NOTHING
        parent = self._propagation.extract(headers, found)[0]
        said = parse_progress(found.get(LINEAGE))
        return Cause(parent) if parent is None or said is None else Cause(parent, Forwarded(said[0], said[1]))


def _of_handling(handling: ProcessSpan | Handling, span: Any) -> Cause:
    inside = span is not None and span is not handling.base.get(SPAN)
    if isinstance(handling, Handling):
        parent = _as_parent(span) if inside else handling.parent
        others = handling.others
        if inside and span is not handling.parent and handling.role is not None:
            # The user's own span within a batch is the parent; then the last message is as possible as the others.
            others = (*others, handling.parent)
        return Cause(parent, handling.parent, others, handling.role)
    return Cause(_as_parent(span) if inside else handling, handling)


def _descends(parent: Any, origin: Any) -> bool:
    return parent is not None and parent.trace_id == origin.trace_id


def _as_parent(span: Any) -> Any:
    return span if isinstance(span, LightSpan) else parent_of(span)


def _with_value(current: Cause, origin: ProcessSpan) -> Cause:
    if current.event is origin and current.role is None:
        return current
    if current.parent is None or current.role is not None:
        # Certain beats possible: the batch as a whole is no cause of what one of its messages explains.
        return _certain(origin)
    if origin in current.others:
        return current
    return current._replace(others=(*current.others, origin))


def links_of(cause: Cause, limit: int) -> tuple[list[Link], dict[str, Any]]:
    """Links to the further inputs, at most ``limit`` (the first and last half), and the attributes that tell the whole truth."""
    role = cause.role or ROLE_INPUT
    # Without process spans of their own, messages of one send stand for that same send.
    parent_id = cause.parent.span_id if cause.parent is not None else b""
    others = [span for span in cause.others if span.span_id and span.span_id != parent_id]
    kept = others if len(others) <= limit else [*others[: limit // 2], *others[len(others) - (limit + 1) // 2 :]]
    links = [Link(span.get_span_context(), {semconv.ROLE: role}) for span in kept]
    extra: dict[str, Any] = {semconv.INPUT_COUNT: len(others) + isinstance(cause.parent, ProcessSpan)}
    if cause.role is not None:
        # The parent edge carries no attributes, and a link to the own parent makes Jaeger drop that edge.
        extra[semconv.ROLE] = cause.role
    return links, extra
