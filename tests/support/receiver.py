"""OTLP receivers inside the test process, well-behaved and otherwise."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from typing_extensions import Self

from support.otlp import Point, Span, points_of, spans_of

Mode = Literal["normal", "slow", "hanging", "refusing", "unavailable"]


class Received:
    """The export requests as they came, decoded only when asked for: receiving must not cost the sender its time."""

    def __init__(self) -> None:
        self._requests: list[bytes] = []
        self._metrics: list[bytes] = []

    @property
    def spans(self) -> list[Span]:
        return [span for body in self._requests for span in spans_of(ExportTraceServiceRequest.FromString(body))]

    def count(self) -> Counter[str]:
        """Spans by name, without making a value of each: for runs with hundreds of thousands of them."""
        names: Counter[str] = Counter()
        for body in self._requests:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    names.update(span.name for span in scope.spans)
        return names

    @property
    def points(self) -> list[Point]:
        """What each metric of each process said last: they are totals since its start."""
        requests = [ExportMetricsServiceRequest.FromString(body) for body in self._metrics]
        points = [point for request in requests for point in points_of(request)]
        return list({(each.metric, each.service, str(each.attributes)): each for each in points}.values())

    def clear(self) -> None:
        self._requests.clear()
        self._metrics.clear()


class Receiver(Received):
    """OTLP over HTTP. `mode` says how it treats those who call."""

    protocol = "http/protobuf"

    def __init__(self, mode: Mode = "normal", delay: float = 1.0) -> None:
        super().__init__()
        self.mode, self.delay = mode, delay
        self.released = threading.Event()
        # A bound socket that nobody listens on keeps its port and refuses connections.
        self._server = _Server(self, listening=mode != "refusing")
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def accept(self, path: str, body: bytes) -> int:
        """Treat one request as the mode says, and give the status to answer with."""
        if self.mode == "unavailable":
            return 503
        if self.mode == "hanging":
            self.released.wait()
        if self.mode == "slow":
            time.sleep(self.delay)
        {"/v1/traces": self._requests, "/v1/metrics": self._metrics}.get(path, []).append(body)
        return 200

    def __enter__(self) -> Self:
        if self.mode != "refusing":
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.released.set()
        if self.mode != "refusing":
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, receiver: Receiver, listening: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.receiver = receiver
        self.server_bind()
        if listening:
            self.server_activate()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away mid-request is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.send_response(self.server.receiver.accept(self.path, body))
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the base class
        """Requests are not news."""


class GrpcReceiver(Received, trace_service_pb2_grpc.TraceServiceServicer):
    """OTLP over gRPC."""

    protocol = "grpc"

    def __init__(self) -> None:
        super().__init__()
        self._server = grpc.server(ThreadPoolExecutor(2))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def Export(  # noqa: N802 - named by gRPC
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        self._requests.append(request.SerializeToString())
        return ExportTraceServiceResponse()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop(0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
