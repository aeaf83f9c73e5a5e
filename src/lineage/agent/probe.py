"""Whether somebody takes spans at an address: for ``lineage doctor``."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

TIMEOUT = 2.0
_GRPC_PORT = 4317


def trouble(endpoint: str, env: Mapping[str, str]) -> str:
    """What is wrong with this endpoint, a URL or the path of a file; empty if nothing is."""
    try:
        url = urlsplit(endpoint)
        if url.scheme not in ("http", "https"):
            return _of_address(endpoint)
        return _of_grpc(url) if _protocol(env) == "grpc" else _of_http(url, env)
    except (OSError, HTTPException, ValueError) as error:
        return str(error) or type(error).__name__


def _protocol(env: Mapping[str, str]) -> str:
    return env.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or env.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"


def _of_address(endpoint: str) -> str:
    host, colon, port = endpoint.rpartition(":")
    if colon and port.isdigit():
        return _of_grpc(urlsplit(f"http://{host}:{port}"))
    folder = Path(endpoint).absolute().parent
    return "" if folder.is_dir() and os.access(folder, os.W_OK) else f"cannot write to {folder}"


def _of_grpc(url: SplitResult) -> str:
    socket.create_connection((url.hostname or "localhost", url.port or _GRPC_PORT), TIMEOUT).close()
    return ""


def _of_http(url: SplitResult, env: Mapping[str, str]) -> str:
    """Post a request without spans."""
    from opentelemetry.util.re import parse_env_headers

    given = env.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or env.get("OTEL_EXPORTER_OTLP_HEADERS") or ""
    headers = {"Content-Type": "application/x-protobuf", **parse_env_headers(given, liberal=True)}
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.hostname or "localhost", url.port, timeout=TIMEOUT)
    try:
        connection.request("POST", url.path or "/", b"", headers)
        answer = connection.getresponse()
    finally:
        connection.close()
    return "" if answer.status < 300 else f"answers {answer.status} {answer.reason}"
