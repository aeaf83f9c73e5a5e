"""``lineage.handling``: what no evidence can show, the user says."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from opentelemetry.context import Context

from lineage.agent.current import HANDLING, SPAN, Handling, hide, var
from lineage.agent.evidence import Evidence
from lineage.agent.guard import guarded
from lineage.agent.recorder import active


class handling:  # noqa: N801  # used like a function: with lineage.handling(message): ...
    """Say which messages the code inside is about; nothing means none of them.

    ``messages`` are message objects as the client returned them. What is sent inside is caused by all of them, whatever the
    context shows: the last one becomes the parent, the others are linked. A message that this process does not remember
    (LINEAGE_REMEMBERED_MESSAGES) is left out. Without the agent this does nothing. Never raises.
    """

    def __init__(self, *messages: Any) -> None:
        self._messages = messages
        self._token: Any = None
        self._handling: Handling | None = None

    def __enter__(self) -> None:
        recorder = active()
        if recorder is not None:
            self._enter(recorder.evidence)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handling is not None:
            self._handling.expire()
        if self._token is not None:
            token, self._token = self._token, None
            try:
                var.reset(token)
            except ValueError:  # left in another context than it was entered in
                hide()

    @guarded
    def _enter(self, evidence: Evidence) -> None:
        found = map(evidence.of_message, self._messages)
        spans = tuple(span for span in found if span is not None)
        context = var.get()
        outer: Any = context.get(HANDLING)
        base = context if outer is None else outer.base
        if not spans:
            self._token = var.set(base)
            return
        self._handling = Handling(base, spans[-1], spans[:-1])
        self._token = var.set(Context({**base, SPAN: spans[-1], HANDLING: self._handling}))
