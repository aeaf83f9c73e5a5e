"""Facts -> spans. Patches report what the application's clients do to the active recorder."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from typing import Any

from opentelemetry import propagate
from opentelemetry.sdk.trace import TracerProvider

from lineage.agent.capture import Capture
from lineage.agent.causes import Causes
from lineage.agent.clients import Attributes, Client, ClientInfo
from lineage.agent.current import hide
from lineage.agent.evidence import Evidence
from lineage.agent.guard import swallow, swallowed
from lineage.agent.propagation import Propagation
from lineage.agent.receives import Receives
from lineage.agent.sends import Sends
from lineage.agent.settings import HEADER_HIDDEN, Settings
from lineage.agent.settlements import Settlements
from lineage.agent.statestore import States
from lineage.agent.steps import Steps
from lineage.agent.tracing import Tracing

__all__ = ["Recorder", "active", "start", "stop", "swallow", "switch"]


class _Switch:
    """Holds the recorder that patches report to: reading an attribute is the cheapest way to ask."""

    __slots__ = ("recorder",)

    recorder: Recorder | None


switch = _Switch()
switch.recorder = None


def active() -> Recorder | None:
    """The recorder that patches report to, or None while the agent is off."""
    return switch.recorder


def start(recorder: Recorder) -> None:
    """Make this the recorder that patches report to."""
    switch.recorder = recorder


def stop() -> None:
    """End what is open; from now on nothing is recorded."""
    recorder, switch.recorder = switch.recorder, None
    if recorder is not None:
        recorder.end_all()


def _after_fork_in_child() -> None:
    if switch.recorder is not None:
        switch.recorder.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)


class Recorder:
    """Everything that records, put together: ``sends`` and ``receives`` do the work; ``states`` and ``steps`` that within.

    ``exporter`` takes ended spans (None: only the provider's own processors do).
    """

    def __init__(self, settings: Settings, provider: TracerProvider, exporter: Any) -> None:
        capture = Capture(settings)
        self.settings = settings
        self.exporter = exporter
        self.tracing = Tracing(provider, exporter, record_unsampled=settings.record_unsampled)
        self.propagation = Propagation(propagate.get_global_textmap())
        self.evidence = Evidence(settings.remembered_messages, settings.remembered_bytes, self.propagation.markers)
        self.causes = Causes(self.evidence, self.propagation, int(settings.captured_context * 1e9))
        self.sends = Sends(settings, self.tracing, self.causes, self.propagation, capture)
        self.receives = Receives(settings, self.tracing, self.propagation, self.evidence, capture)
        self.settlements = Settlements(settings, self.tracing, self.causes)
        self.states = States(settings, self.tracing, self.causes, capture)
        self.steps = Steps(settings, self.tracing, self.causes)
        self.hides_header = settings.header == HEADER_HIDDEN
        self.clients: dict[int, Client] = {}
        self._retired: defaultdict[str, Counter[Attributes]] = defaultdict(Counter)

    def client(self, instance: object, operation: str, info: ClientInfo) -> Client:
        """Get to know a client instance: a producer (operation ``send``) or a consumer (``process``)."""
        client = self.clients[id(instance)] = Client(operation, info, self.settings, self.tracing.random)
        return client

    def forget(self, instance: object) -> None:
        """The client instance is about to go."""
        client = self.clients.pop(id(instance), None)
        if client is None:
            return
        self.receives.closed(client)
        self._end_sends(client)
        for attributes, total in client.totals():
            self._retired[client.operation][attributes] += total

    def end_all(self) -> None:
        """The process ends: so does every span, sends without a report with an unknown outcome."""
        for client in list(self.clients.values()):
            handled, client.open = client.open, None
            if handled is not None:
                handled.close()
            self._end_sends(client)
        hide()

    def _end_sends(self, client: Client) -> None:
        self.sends.described(client)
        self.sends.give_up(client)

    def after_fork(self) -> None:
        """In a forked child: open spans are the parent's to end, and its ids must not be repeated."""
        self.tracing.reseed()
        for client in list(self.clients.values()):
            client.pending.clear()
            client.undescribed.clear()
            handled, client.open = client.open, None
            if handled is not None:
                handled.disown()

    def messages(self, operation: str) -> list[tuple[int, dict[str, Any]]]:
        """How many messages were sent (``send``) or received (``process``) so far, sampled or not, by their attributes."""
        totals = Counter(self._retired[operation])
        for client in list(self.clients.values()):
            if client.operation == operation:
                for attributes, total in client.totals():
                    totals[attributes] += total
        return [(total, dict(attributes)) for attributes, total in totals.items()]

    def counters(self) -> dict[str, int]:
        """What could not be traced, and errors of ours, by name."""
        return {**self.sends.counts, **self.receives.counts, "internal_errors": swallowed()}
