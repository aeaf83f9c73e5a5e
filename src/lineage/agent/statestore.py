"""State operations: a span for each, and who wrote what is read.

A patch measures an operation and reports it when it is over: ``began = time_ns()``, the library's own call, then ``got``, ``put``,
``deleted``, ``existed``, ``scanned`` or ``failed``. What ``put`` returns is to be kept beside the value (``lineage.model.writers``)
and given to ``got`` by whoever reads it next. Times are nanoseconds since the epoch. None of these methods raises.

Outside of any event, nothing is recorded and a value has no writer. Where a span is suppressed (``LINEAGE_SPANS_SUPPRESS=state``,
``LINEAGE_SPANS_SUPPRESS_NAMES=get *``) nothing is lost but the span: the one around it counts as the writer, and carries the links.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from lineage.agent.capture import Capture
from lineage.agent.causes import Cause, Causes, links_of
from lineage.agent.current import BAGGAGE_KEY, SUPPRESSED, ProcessSpan, var
from lineage.agent.guard import guarded
from lineage.agent.links import WriterLink, link_enclosing, link_writers
from lineage.agent.settings import Settings
from lineage.agent.spans import LightSpan, Template
from lineage.agent.tracing import Tracing, end, fail
from lineage.model import semconv
from lineage.model.contributors import Contributors
from lineage.model.headers import BAGGAGE
from lineage.model.records import ROLE_STATE
from lineage.model.writers import Writer

_MOST = 1000
"""Stores and topics that are remembered: an application has few."""
_LIMIT = 128
_BAGGAGE = W3CBaggagePropagator()
_new = LightSpan.__new__
_tuple = tuple.__new__


class Store:
    """One state store, with what all spans of an operation on it have in common; None where they are suppressed."""

    __slots__ = ("delete", "exists", "hit", "miss", "missing", "put", "scan")

    def __init__(self, attributes: dict[str, Any], suppressed: Any) -> None:
        def template(operation: str, **more: Any) -> Template | None:
            name = f"{operation} {attributes[semconv.STORE]}"
            every = {**attributes, semconv.STORE_OPERATION: operation, **more}
            return None if suppressed(name) else Template(name, SpanKind.INTERNAL, every)

        self.hit = template(semconv.GET, **{semconv.ROWS: 1})
        self.miss = template(semconv.GET, **{semconv.ROWS: 0})
        self.exists = template(semconv.EXISTS, **{semconv.ROWS: 1})
        self.missing = template(semconv.EXISTS, **{semconv.ROWS: 0})
        self.put = template(semconv.PUT)
        self.delete = template(semconv.DELETE)
        self.scan = template(semconv.SCAN)


class States:
    """Records what is done to state stores."""

    def __init__(self, settings: Settings, tracing: Tracing, causes: Causes, capture: Capture) -> None:
        self._tracing = tracing
        self._causes = causes
        self._capture = capture
        self._kind_suppressed = semconv.STATE_KIND in settings.suppressed
        self._names_suppressed = settings.suppressed_names
        self._carries = settings.state_headers
        self._stores: dict[tuple[str, str, str | None], Store] = {}
        self._places: dict[Template, tuple[str, str | None]] = {}

    def store(self, name: str, system: str, namespace: str | None = None) -> Store:
        """The store called ``name``, kept by ``system`` (rocksdb, memory); ``namespace`` where names repeat."""
        known = self._stores.get((name, system, namespace))
        return known or self._store(name, system, namespace)

    @guarded
    def got(self, store: Store, key: Any, began: int, found: bool, writer: Writer | None = None) -> None:
        """A value was read, or was not there; ``writer`` is what was kept beside it."""
        template = store.hit if found else store.miss
        context = var.get()
        cause = self._cause(context)
        if cause is None:
            return
        if writer is not None and writer.headers:
            _hand_on(cause.event, writer)
        if template is None:
            if writer is not None:
                link_enclosing(context, cause.parent, (writer,))
            return
        span = self._begin(template, key, began, context, cause)
        if writer is not None and writer.span_id != span.parent_id:
            span.links = (
                [*span.links, WriterLink(writer, ROLE_STATE)] if span.rare else [WriterLink(writer, ROLE_STATE)]
            )
        self._end(span, context)

    @guarded
    def put(
        self, store: Store, key: Any, began: int, before: Contributors | None = None, *, fan_in: bool = False
    ) -> Writer | None:
        """A value was written: who did. With ``fan_in`` the value is made of several, ``before`` are those so far."""
        writer = self._wrote(store.put, key, began)
        return writer.contributing(before) if writer is not None and fan_in else writer

    @guarded
    def deleted(self, store: Store, key: Any, began: int) -> Writer | None:
        """A value was deleted: who did, for those that keep deletions."""
        return self._wrote(store.delete, key, began)

    @guarded
    def existed(self, store: Store, key: Any, began: int, found: bool) -> None:
        """It was asked whether there is a value."""
        self._wrote(store.exists if found else store.missing, key, began)

    @guarded
    def scanned(self, store: Store, began: int, rows: int, writers: Iterable[Writer]) -> None:
        """So many values were read; ``writers`` are those of the first and the last few rows at least."""
        context = var.get()
        cause = self._cause(context)
        if cause is None:
            return
        if store.scan is None:
            link_enclosing(context, cause.parent, writers)
            return
        span = self._begin(store.scan, None, began, context, cause)
        span.extra = {**(span.extra or {}), semconv.ROWS: rows}
        link_writers(span, writers, ROLE_STATE)
        self._end(span, context)

    @guarded
    def failed(self, store: Store, operation: str, key: Any, began: int, error: BaseException) -> None:
        """The library raised. Its message is not recorded, as it may tell of values."""
        template = getattr(store, "hit" if operation == semconv.GET else operation)
        context = var.get()
        cause = self._cause(context)
        if cause is None or template is None:
            return
        span = self._begin(template, key, began, context, cause)
        if semconv.ROWS in template.attributes:
            span.extra = {**(span.extra or {}), semconv.ROWS: 0}
        fail(span, type(error).__qualname__, type(error).__qualname__)
        self._end(span, context)

    @guarded
    def writer(self) -> Writer | None:
        """Who would count as the writer of what is written here, where there is no operation to record."""
        cause = self._cause(var.get())
        return self._writer(cause.parent, cause) if cause is not None else None

    def _store(self, name: str, system: str, namespace: str | None) -> Store:
        attributes = {semconv.STORE_SYSTEM: system, semconv.STORE: name}
        if namespace:
            attributes[semconv.STORE_NAMESPACE] = namespace
        if len(self._stores) >= _MOST:
            self._stores.clear()
        store = self._stores[name, system, namespace] = Store(attributes, self._suppressed)
        return store

    def _suppressed(self, name: str) -> bool:
        return self._kind_suppressed or name in self._names_suppressed

    def _cause(self, context: Context) -> Cause | None:
        """Why this happens, or None if that is not known or not to be traced."""
        if not context or context.get(SUPPRESSED):
            return None
        cause = self._causes.of_context(context)
        return cause if cause.parent is not None and cause.parent.span_id else None

    def _wrote(self, template: Template | None, key: Any, began: int) -> Writer | None:
        context = var.get()
        cause = self._cause(context)
        if cause is None:
            return None
        span = cause.parent
        if template is not None:
            span = self._begin(template, key, began, context, cause)
            self._end(span, context)
        return self._writer(span, cause)

    def _begin(self, template: Template, key: Any, began: int, context: Context, cause: Cause) -> LightSpan:
        span = _new(LightSpan)
        self._tracing.begin(span, template, cause.parent, context, began)
        span.partition = span.offset = span.size = span.timestamp = span.key = None
        if self._capture.keys and key is not None and (shown := self._capture.key(key)) is not None:
            span.extra = {**(span.extra or {}), semconv.STATE_KEY: shown}
        if cause.others or cause.role is not None:
            span.links, extra = links_of(cause, _LIMIT)
            span.extra = {**(span.extra or {}), **extra}
        return span

    def _end(self, span: LightSpan, context: Context) -> None:
        self._tracing.started(span, context)
        end(span)

    def _writer(self, span: Any, cause: Cause) -> Writer:
        event = cause.event
        if event.__class__ is not ProcessSpan or cause.role is not None:
            return Writer(span.trace_id, span.span_id, span.sampled)
        topic, cluster = self._places.get(event.template) or self._place(event.template)
        headers = _carried(event) if self._carries else ()
        # A named tuple's own constructor takes three times as long.
        facts = span.trace_id, span.span_id, span.sampled, topic, event.partition, event.offset, cluster, None, headers
        return _tuple(Writer, facts)

    def _place(self, template: Template) -> tuple[str, str | None]:
        if len(self._places) >= _MOST:
            self._places.clear()
        place = template.attributes[semconv.DESTINATION], template.attributes.get(semconv.CLUSTER)
        self._places[template] = place
        return place


def _carried(event: ProcessSpan) -> tuple[tuple[str, bytes], ...]:
    """The headers that the reader of a value hands on, as the writer would have."""
    pairs = [pair for pair in event.propagated if isinstance(pair[1], bytes)]
    if event.baggage is not None:
        carrier: dict[str, str] = {}
        _BAGGAGE.inject(carrier, Context({BAGGAGE_KEY: event.baggage}))
        pairs += [(name, text.encode()) for name, text in carrier.items()]
    return tuple(pairs)


def _hand_on(event: Any, writer: Writer) -> None:
    """What is sent while handling ``event`` carries the writer's headers too, never over its own."""
    if not isinstance(event, ProcessSpan):
        return
    present = {name for name, _ in event.propagated}
    if event.baggage is not None:
        present.add(BAGGAGE)
    more = tuple(pair for pair in writer.headers if pair[0] not in present)
    event.propagated = (*event.propagated, *more)
