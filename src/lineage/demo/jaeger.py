"""A Jaeger on this machine, if there is one, gets the demo's traces too."""

from __future__ import annotations

from collections.abc import Iterable
from http.client import HTTPException
from urllib.request import Request, urlopen

RECEIVER = "http://localhost:4318/v1/traces"
VIEWER = "http://localhost:16686"
_TIMEOUT = 2.0


def answers() -> bool:
    """Whether Jaeger's viewer is there: a receiver alone may be anything."""
    return _ok(Request(f"{VIEWER}/api/services"))  # noqa: S310 - a constant


def send(lines: Iterable[str]) -> bool:
    """Send export requests in OTLP JSON. Whether all were taken."""
    headers = {"Content-Type": "application/json"}
    return all(_ok(Request(RECEIVER, line.encode(), headers)) for line in lines if line.strip())


def link(trace_id: str) -> str:
    """Where to look at a trace."""
    return f"{VIEWER}/trace/{trace_id}"


def _ok(request: Request) -> bool:
    try:
        with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - both addresses are constants
            ok: bool = answer.status < 300
            return ok
    except (OSError, HTTPException):
        return False
