"""OTLP over gRPC, with the requests that are encoded already."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from lineage.agent.export.packed import Part
from lineage.agent.export.sender import Answer
from lineage.agent.export.transport import NO_TLS, Tls

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_RETRIED = frozenset(("CANCELLED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"))


@dataclass(frozen=True, slots=True)
class GrpcTransport:
    """Where to call, and how."""

    endpoint: str
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 10.0
    gzip: bool = False
    tls: Tls = NO_TLS
    insecure: bool = True
    # gRPC servers refuse messages beyond 4 MiB unless told otherwise.
    largest: int = (4 << 20) - (256 << 10)
    # Each holds its request twice, in grpc and for it.
    connections: int = 3

    def load(self) -> None:
        """Import grpc, if it is there: the first request tells if not."""
        with suppress(ImportError):
            import grpc  # noqa: F401

    def connect(self) -> GrpcConnection:
        """Make a connection, opened when it is first used."""
        return GrpcConnection(self)


class GrpcConnection:
    """One channel, made at the first request: grpc must not be loaded, let alone started, before a fork."""

    def __init__(self, transport: GrpcTransport) -> None:
        self._transport = transport
        self._channel: Any = None
        self._call: Any = None
        self._aborted = False

    def send(self, parts: list[Part], deadline: float) -> Answer:
        """Send one request, given in pieces; the deadline is in monotonic seconds. Never raises."""
        try:
            self._export(b"".join(map(bytes, parts)), max(deadline - monotonic(), 0.001))
        except Exception as error:  # noqa: BLE001 - RpcError mostly; files of certificates may be unreadable
            return self._failure(error)
        return Answer(True)

    def _export(self, body: bytes, timeout: float) -> None:
        if self._channel is None:
            self._open()
        import grpc

        compression = grpc.Compression.Gzip if self._transport.gzip else grpc.Compression.NoCompression
        headers = [(name.lower(), value) for name, value in self._transport.headers.items()]
        self._call(body, timeout=timeout, metadata=headers, compression=compression)

    def _open(self) -> None:
        import grpc

        url = urlsplit(self._transport.endpoint)
        target = url.netloc or self._transport.endpoint
        options = [("grpc.primary_user_agent", "lineage-instrument"), ("grpc.use_local_subchannel_pool", 1)]
        if self._transport.insecure:
            self._channel = grpc.insecure_channel(target, options)
        else:
            self._channel = grpc.secure_channel(target, _credentials(self._transport.tls), options)
        self._call = self._channel.unary_unary(_METHOD, request_serializer=None, response_deserializer=None)

    def _failure(self, error: Exception) -> Answer:
        code = getattr(error, "code", None)
        name = code().name if callable(code) else ""
        details = error.details() if hasattr(error, "details") else str(error)
        reached = name not in ("", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")
        pause = _pause(error) if name in ("UNAVAILABLE", "RESOURCE_EXHAUSTED") else None
        # Without a time to wait, an exhausted receiver is one that will stay so.
        retry = not self._aborted and (name in _RETRIED or (name == "RESOURCE_EXHAUSTED" and pause is not None))
        return Answer(False, f"{name or type(error).__name__}: {details}", retry=retry, reached=reached, pause=pause)

    def abort(self) -> None:
        """Close the channel, and with it what another thread waits for."""
        self._aborted = True
        if self._channel is not None:
            self._channel.close()


def _credentials(tls: Tls) -> Any:
    import grpc

    def content(path: str | None) -> bytes | None:
        return Path(path).read_bytes() if path else None

    return grpc.ssl_channel_credentials(
        content(tls.certificate), content(tls.client_key), content(tls.client_certificate)
    )


def _pause(error: Any) -> float | None:
    metadata = dict(error.trailing_metadata() or ()) if hasattr(error, "trailing_metadata") else {}
    encoded = metadata.get("google.rpc.retryinfo-bin")
    if encoded is None:
        return None
    from google.rpc.error_details_pb2 import RetryInfo

    delay = RetryInfo.FromString(encoded).retry_delay
    return float(delay.seconds + delay.nanos / 1e9)
