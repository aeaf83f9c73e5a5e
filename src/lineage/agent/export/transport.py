"""OTLP over HTTP with protobuf, on a connection that is kept."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic, time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from lineage.agent.export.packed import Part
from lineage.agent.export.sender import Answer
from lineage.agent.export.sockets import Reader, is_plain, limit, readable, write

if TYPE_CHECKING:
    import socket
    import ssl
    from http.client import HTTPConnection, HTTPResponse

_RETRIED = frozenset((429, 502, 503, 504))
_MARGIN = 0.001
# How long after an answer (seconds) a connection is taken to be open without asking.
_FRESH = 0.2
_NAME = re.compile(r"[^:\s][^:\r\n]*")
_LINE_BREAK = re.compile(r"[\r\n]")
_NO_TARGET = re.compile(r"[\x00-\x20\x7f]")
_ZONE = re.compile(r"%[^\]]*\]")


class Tls(NamedTuple):
    """Files with the receiver's authority and our own certificate and key; None means the system's, and none."""

    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None

    def context(self) -> ssl.SSLContext:
        """Make the context. Raises OSError (SSLError among them) for files that cannot be used."""
        import ssl

        context = ssl.create_default_context(cafile=self.certificate)
        if self.client_certificate:
            context.load_cert_chain(self.client_certificate, self.client_key)
        return context


NO_TLS = Tls()


class HttpTransport(NamedTuple):
    """Where to post requests, and how."""

    endpoint: str
    headers: Mapping[str, str] = MappingProxyType({})
    timeout: float = 10.0
    gzip: bool = False
    tls: Tls = NO_TLS
    proxy: str | None = None
    # Collectors refuse bodies beyond 20 MiB unless told otherwise.
    largest: int = 12 << 20
    connections: int = 8

    def load(self) -> None:
        """Import the client, and what it would import later on."""
        import http.client  # noqa: F401
        import select  # noqa: F401

        # For the resolver: a codec whose import a fork cuts in two stays unknown to the child for good.
        "localhost".encode("idna")

    def connect(self) -> HttpConnection:
        """Make a connection, opened when it is first used."""
        return HttpConnection(self)


class HttpConnection:
    """One persistent connection, used by one thread at a time."""

    def __init__(self, transport: HttpTransport) -> None:
        self._transport = transport
        self._http: HTTPConnection | None = None
        self._aborted = False
        self._answered = 0.0
        self._start = b""

    def send(self, parts: list[Part], deadline: float) -> Answer:
        """Post one request, given in pieces; the deadline is in monotonic seconds. Never raises."""
        body = _gzipped(parts) if self._transport.gzip else parts
        try:
            return self._post(body, deadline)
        except TimeoutError:
            # It was written: the receiver may have it, so it is not sent again.
            self._close()
            return Answer(False, "no answer in time", reached=False)
        except Exception as error:  # noqa: BLE001 - of whatever kind: OSError, HTTPException, a proxy's ValueError
            self._close()
            retry = not self._aborted
            return Answer(False, f"{type(error).__name__}: {error}", retry=retry, reached=False)

    def _post(self, body: list[Part], deadline: float) -> Answer:
        reused = self._is_usable()
        try:
            response = self._exchange(body, deadline)
        except ConnectionError:
            if not reused or self._aborted:
                raise
            # The receiver closed the idle connection while we wrote.
            self._close()
            response = self._exchange(body, deadline)
        if response.will_close:
            self._close()
        return _answer(response)

    def _exchange(self, body: list[Part], deadline: float) -> HTTPResponse:
        try:
            http = self._http or self._open(deadline)
            if self._aborted:
                raise ConnectionAbortedError("the exporter is shut down")
            left = max(deadline - monotonic(), _MARGIN)
            # What is sent in part is tried once more.
            limit(http.sock, left / 2)
            write(http.sock, [self._head(sum(map(len, body))), *map(bytes, body)])
        except (TimeoutError, BlockingIOError) as error:
            raise OSError("timed out before the request was written") from error
        return self._answer(http.sock, deadline)

    def _answer(self, connection: socket.socket, deadline: float) -> HTTPResponse:
        from http.client import HTTPException, HTTPResponse

        limit(connection, max(deadline - monotonic(), _MARGIN))
        response = HTTPResponse(Reader(connection), method="POST")  # type: ignore[arg-type]  # all it needs of a socket
        response.begin()
        try:
            response.read()
        except (OSError, HTTPException):
            # The status has said it all: what was accepted is not sent again.
            response.will_close = True
        self._answered = monotonic()
        return response

    def _head(self, length: int) -> bytes:
        if not self._start:
            self._start = self._make_start()
        return b"%bContent-Length: %d\r\n\r\n" % (self._start, length)

    def _make_start(self) -> bytes:
        target = self._target()
        if _NO_TARGET.search(target):
            raise ValueError("the endpoint's URL has a space or a control character in it")
        host = _ZONE.sub("]", urlsplit(self._transport.endpoint).netloc.rpartition("@")[2])
        headers = {
            "host": ("Host", host if host.isascii() else host.encode("idna").decode()),
            "content-type": ("Content-Type", "application/x-protobuf"),
            "user-agent": ("User-Agent", "lineage-instrument"),
            **({"content-encoding": ("Content-Encoding", "gzip")} if self._transport.gzip else {}),
            **{name.lower(): (name, value) for name, value in self._transport.headers.items()},
        }
        headers.pop("content-length", None)
        lines = [f"POST {target} HTTP/1.1"]
        for name, value in headers.values():
            # The value may be a secret: it is not shown.
            if not _NAME.fullmatch(name) or _LINE_BREAK.search(value):
                raise ValueError(f"the header {name!r} has a character in it that no header may have")
            lines.append(f"{name}: {value}")
        return "\r\n".join((*lines, "")).encode("latin-1")

    def _target(self) -> str:
        url = urlsplit(self._transport.endpoint)
        if self._transport.proxy and url.scheme == "http":
            return self._transport.endpoint
        return (url.path or "/") + (f"?{url.query}" if url.query else "")

    def _open(self, deadline: float) -> HTTPConnection:
        import http.client

        url = urlsplit(self._transport.endpoint)
        proxy = urlsplit(self._transport.proxy) if self._transport.proxy else None
        near = proxy or url
        timeout = max(deadline - monotonic(), _MARGIN)
        arguments: dict[str, Any] = {"timeout": timeout}
        if url.scheme == "https":
            arguments["context"] = self._transport.tls.context()
        make = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        port = near.port or (443 if near.scheme == "https" else 80)
        connection = make(near.hostname or "", port, **arguments)
        if proxy and url.scheme == "https":
            connection.set_tunnel(url.hostname or "", url.port or 443)
        connection.connect()
        self._http = connection
        return connection

    def _is_usable(self) -> bool:
        # Something to read where no answer is due is the end of the connection.
        connection: socket.socket | None = self._http.sock if self._http else None
        if connection is not None:
            # TLS has more ways to end a connection than one can tell from a request that failed.
            fresh = is_plain(connection) and monotonic() - self._answered < _FRESH
            if fresh or not readable(connection):
                return True
        self._close()
        return False

    def _close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def abort(self) -> None:
        """End the connection, and with it what another thread waits for."""
        import socket

        self._aborted = True
        connection: socket.socket | None = self._http.sock if self._http else None
        if connection is not None:
            with suppress(OSError):  # it is closed already
                connection.shutdown(socket.SHUT_RDWR)


def _gzipped(parts: list[Part]) -> list[Part]:
    # Level 1: spans repeat themselves so much that more effort gains little.
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return [*filter(None, map(packer.compress, map(bytes, parts))), packer.flush()]


def _answer(response: HTTPResponse) -> Answer:
    if 200 <= response.status < 300:
        return Answer(True)
    retry = response.status in _RETRIED
    pause = _seconds(response.getheader("Retry-After")) if retry else None
    return Answer(False, f"HTTP {response.status} {response.reason}".rstrip(), retry=retry, pause=pause)


def _seconds(retry_after: str | None) -> float | None:
    if retry_after is None:
        return None
    try:
        return max(float(retry_after), 0.0)
    except ValueError:
        from email.utils import mktime_tz, parsedate_tz

        date = parsedate_tz(retry_after)
        return max(mktime_tz(date) - time(), 0.0) if date else None


def proxy_for(endpoint: str, env: Mapping[str, str]) -> str | None:
    """The proxy that the usual variables name for this URL, or None."""
    url = urlsplit(endpoint)
    variable = f"{url.scheme}_proxy"
    proxy = env.get(variable) or env.get(variable.upper())
    host = (url.hostname or "").lower()
    exempt = [
        name.strip().lower().lstrip(".") for name in (env.get("no_proxy") or env.get("NO_PROXY") or "").split(",")
    ]
    if not proxy or any(name in ("*", host) or host.endswith(f".{name}") for name in exempt if name):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
