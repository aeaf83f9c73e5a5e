"""An OTLP/HTTP receiver that costs next to nothing while it is measured against: it keeps bodies and looks into them when asked.

`GET /spans` answers with how many different spans came since the last time, and how many in all, with those that came twice.
`GET /delay/SECONDS` lets each request take that long from now on.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

# Only a run of many millions of messages reaches it.
MOST_KEPT = 1 << 30

Body = tuple[bytes, str, str]
"""The content, its encoding and its type."""


class Received:
    """What came since somebody asked."""

    def __init__(self) -> None:
        self.delay = 0.0
        self._lock = Lock()
        self._forget()

    def _forget(self) -> None:
        self._bodies: list[Body] = []
        self._size = self._different = self._all = 0

    def add(self, body: Body) -> None:
        """Keep a request."""
        with self._lock:
            self._bodies.append(body)
            self._size += len(body[0])
            if self._size > MOST_KEPT:
                self._count()

    def counts(self) -> tuple[int, int]:
        """How many different spans, and how many in all; from here on it is counted anew."""
        with self._lock:
            self._count()
            counts = self._different, self._all
            self._forget()
        return counts

    def _count(self) -> None:
        ids = [span for body in self._bodies for span in _span_ids(*body)]
        self._different += len(set(ids))
        self._all += len(ids)
        self._bodies, self._size = [], 0


def _span_ids(content: bytes, encoding: str, kind: str) -> Iterator[bytes | str]:
    content = gzip.decompress(content) if encoding == "gzip" else content
    if "json" in kind:
        for resource in json.loads(content)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                yield from (span["spanId"] for span in scope["spans"])
        return
    for resource in ExportTraceServiceRequest.FromString(content).resource_spans:
        for scope in resource.scope_spans:
            yield from (span.span_id for span in scope.spans)


_received = Received()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/v1/traces":
            _received.add((body, self.headers.get("content-encoding", ""), self.headers.get("content-type", "")))
            time.sleep(_received.delay)
        self._answer(200)

    def do_GET(self) -> None:
        if self.path.startswith("/delay/"):
            _received.delay = float(self.path.removeprefix("/delay/"))
            self._answer(200)
        elif self.path == "/spans":
            self._answer(200, "{} {}".format(*_received.counts()))
        else:
            # Some tracers look for more than OTLP.
            self._answer(404)

    def _answer(self, status: int, text: str = "") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that breaks off a slow request is part of the measurement."""


if __name__ == "__main__":
    server = _Server(("127.0.0.1", 0), _Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
