"""An OTLP/HTTP receiver that costs next to nothing while it is measured against: it keeps bodies and counts spans when asked."""

from __future__ import annotations

import gzip
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_bodies: list[tuple[bytes, str]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            _bodies.append((body, self.headers.get("content-encoding", "")))
        self._answer(b"")

    def do_GET(self) -> None:
        """Answer with the number of spans since the last time."""
        taken, _bodies[:] = list(_bodies), []
        self._answer(str(sum(map(_spans, taken))).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _spans(entry: tuple[bytes, str]) -> int:
    body, encoding = entry
    request = ExportTraceServiceRequest.FromString(gzip.decompress(body) if encoding == "gzip" else body)
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
