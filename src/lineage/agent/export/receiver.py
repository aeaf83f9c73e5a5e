"""What is known of the receiver: whether it answers, when to try again, and whether its outage was told."""

from __future__ import annotations

import logging
import random
from threading import get_ident
from time import monotonic

_log = logging.getLogger("lineage")

# An answer that takes longer than a second is no answer to somebody who waits; a little more for our own delays.
_PATIENCE = 1.5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


class Receiver:
    """A circuit breaker. Reading it is cheap and needs no lock: a stale answer costs one encoded chunk at most."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.down = False
        self.failed_requests = 0
        self.unreachable = 0
        self.latency = 0.0
        self._failures_in_row = 0
        self._told = self._overloaded = self._told_overload = False
        self._asked: dict[int, float] = {}

    def answers(self) -> bool:
        """Whether the application may work or wait for it: no failure since its last answer, nothing unanswered."""
        asked = list(self._asked.values())
        return not self.down and (not asked or monotonic() - min(asked) < _PATIENCE)

    def asked(self) -> None:
        """The calling thread sends a request."""
        self._asked[get_ident()] = monotonic()

    def answered(self) -> None:
        """The calling thread got an answer, of whatever kind."""
        self.latency = monotonic() - self._asked.pop(get_ident(), monotonic())

    def accepted(self) -> None:
        """An outage, if there was one, is over."""
        if self._overloaded and not self._told_overload and not self._told:
            # Nothing that ends: once in the life of the process is enough, the counters have the rest.
            self._told_overload = True
            self._warn("it takes fewer than the application makes")
        self.down = self._told = False
        self._failures_in_row = 0

    def failed(self, error: str, reached: bool) -> None:
        """A request failed; `reached` says whether the receiver spoke to us at all."""
        self._asked.pop(get_ident(), None)
        self.failed_requests += 1
        self.down = True
        self._failures_in_row += 1
        self.unreachable += not reached
        self.tell(error)

    def pause(self, asked_for: float | None) -> float:
        """Seconds until the next attempt: what the receiver asked for, or twice the last pause, with jitter."""
        if asked_for is not None:
            return asked_for
        longest = min(_FIRST_PAUSE * 2 ** min(self._failures_in_row, 10), _LONGEST_PAUSE)
        return random.uniform(longest / 2, longest)

    def dropping(self, reason: str | None) -> None:
        """Spans are dropped: for this reason, or because there is no room."""
        if reason is None and not self.answers():
            reason = f"no answer for more than {_PATIENCE} s"
        if reason is not None:
            self.tell(reason)
        # Without a reason the receiver is slow, or about to turn out dead: the next answer tells.
        self._overloaded = True

    def tell(self, error: str) -> None:
        """Log an outage, once until the receiver accepts spans again."""
        if not self._told:
            self._told = True
            self._warn(error)

    def _warn(self, error: str) -> None:
        _log.warning(
            "spans cannot be exported to %s: %s. The application goes on; spans are kept within limits, then dropped. "
            "Start a receiver there, or set OTEL_EXPORTER_OTLP_ENDPOINT (OTEL_TRACES_EXPORTER=none exports nothing).",
            self.endpoint,
            error,
        )
