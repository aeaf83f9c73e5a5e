"""OTLP JSON lines in a file: for machines without a receiver, and for tests."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from typing import Any

from lineage.agent.export.packed import Part
from lineage.agent.export.sender import Answer

_IDS = ("traceId", "spanId", "parentSpanId")


@dataclass(frozen=True, slots=True)
class FileTransport:
    """Appends to this path, one ``ExportTraceServiceRequest`` a line; several processes may share it."""

    endpoint: str
    timeout: float = 10.0
    largest: int = 3 << 20
    connections: int = 1

    def load(self) -> None:
        """Import protobuf."""
        import google.protobuf.json_format  # noqa: F401
        import opentelemetry.proto.collector.trace.v1.trace_service_pb2  # noqa: F401

    def connect(self) -> FileConnection:
        """Make a writer, opened at each write: the file may be moved away meanwhile."""
        return FileConnection(self.endpoint)


class FileConnection:
    """Writes to the file."""

    def __init__(self, path: str) -> None:
        self._path = path

    def send(self, parts: list[Part], deadline: float) -> Answer:  # noqa: ARG002 - a file is not waited for
        """Append one request. Never raises; a file that cannot be written is tried again: the disk may be full."""
        try:
            line = to_json(b"".join(map(bytes, parts))) + b"\n"
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
            try:
                # One write, so that lines of several processes never mix.
                written = os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            return Answer(False, f"{type(error).__name__}: {error}", retry=True, reached=False)
        if written < len(line):
            return Answer(False, f"only {written} of {len(line)} bytes could be written")
        return Answer(True)

    def abort(self) -> None:
        """Nothing is ever under way for long."""


def to_json(request: bytes) -> bytes:
    """An encoded ``ExportTraceServiceRequest`` as OTLP JSON on one line: ids in hexadecimal, 64-bit integers text."""
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    tree = MessageToDict(ExportTraceServiceRequest.FromString(request), use_integers_for_enums=True)
    for resource in tree.get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                _hexadecimal(span)
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode()


def _hexadecimal(span: dict[str, Any]) -> None:
    # Protobuf's own JSON has base64 for bytes; OTLP differs for ids, and only for them.
    for one in (span, *span.get("links", ())):
        for name in _IDS:
            if name in one:
                one[name] = base64.b64decode(one[name]).hex()
