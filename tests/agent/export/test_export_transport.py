"""HTTP by hand: requests as `http.client` would write them, and answers of all kinds."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import pytest

from lineage.agent.export.transport import HttpConnection, HttpTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
Reply = Callable[[socket.socket, int], object]


class Server:
    """Takes requests on a bare socket: what it got, and by how many connections."""

    def __init__(self, reply: Reply, family: int = socket.AF_INET) -> None:
        self._reply = reply
        self.requests: list[tuple[bytes, bytes]] = []
        self.connections = 0
        self._socket = socket.socket(family)
        self._socket.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self._socket.listen()
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as incoming:
            while line := incoming.readline():
                head = line
                while (line := incoming.readline()) not in (b"\r\n", b""):
                    head += line
                length = next(int(each.split()[1]) for each in head.splitlines() if each.startswith(b"Content-Length"))
                self.requests.append((head, incoming.read(length)))
                if self._reply(connection, len(self.requests)) == "close":
                    return

    def close(self) -> None:
        self._socket.close()


@contextmanager
def serving(reply: Reply = lambda connection, _: connection.sendall(OK), **more: Any) -> Iterator[Server]:
    server = Server(reply, **more)
    try:
        yield server
    finally:
        server.close()


def connect(server: Server, host: str = "127.0.0.1", **more: Any) -> HttpConnection:
    return HttpTransport(f"http://{host}:{server.port}/v1/traces", **more).connect()


def soon(seconds: float = 3.0) -> float:
    return monotonic() + seconds


def said(head: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in head.decode("latin-1").splitlines()[1:] if line)


def test_a_request_is_whole() -> None:
    """Line, headers and all the parts, again and again on one connection."""
    with serving() as server:
        connection = connect(server, headers={"x-key": "a b", "user-agent": "mine"})
        for _ in range(3):
            assert connection.send([b"a", b"bc" * 1000, b"d" * 100_000], soon()).ok
        assert connection.send([b"%d" % number for number in range(1000)], soon()).ok
        connection.abort()
    assert server.connections == 1
    head, body = server.requests[1]
    assert head.splitlines()[0] == b"POST /v1/traces HTTP/1.1"
    assert said(head) == {
        "Host": f"127.0.0.1:{server.port}",
        "Content-Type": "application/x-protobuf",
        "user-agent": "mine",
        "x-key": "a b",
        "Content-Length": str(len(body)),
    }
    assert body == b"a" + b"bc" * 1000 + b"d" * 100_000
    assert server.requests[3][1] == b"".join(b"%d" % number for number in range(1000))


@pytest.mark.parametrize("name", ["host", "Host"])
def test_a_host_of_the_users_is_the_only_one(name: str) -> None:
    """Behind a gateway that goes by it."""
    with serving() as server:
        assert connect(server, headers={name: "inner"}).send([b"x"], soon()).ok
    head, _ = server.requests[0]
    assert [line for line in head.splitlines() if line.lower().startswith(b"host:")] == [f"{name}: inner".encode()]


@pytest.mark.parametrize(
    "headers",
    [{"a": "b\r\nx: y"}, {"a": "b\nx: y"}, {"a": "b\rx"}, {"a\r\nb": "c"}, {"a:b": "c"}, {"": "c"}, {"a": "\u20ac"}],
    ids=repr,
)
def test_headers_that_would_be_others_are_refused(headers: dict[str, str]) -> None:
    """Nothing is sent, and the value, which may be a secret, is not shown."""
    with serving() as server:
        answer = connect(server, headers=headers).send([b"x"], soon())
    assert not answer.ok
    assert "x: y" not in answer.error
    assert server.requests == []


def test_an_address_of_ipv6() -> None:
    """Its brackets belong to the Host header."""
    try:
        with serving(family=socket.AF_INET6) as server:
            assert connect(server, "[::1]").send([b"x"], soon()).ok
    except OSError:
        pytest.skip("no IPv6 here")
    assert said(server.requests[0][0])["Host"] == f"[::1]:{server.port}"


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("http://user:secret@far:4318/x", "far:4318"),
        ("http://far/x", "far"),
        ("http://[fe80::1%25eth0]:4318/x", "[fe80::1]:4318"),
        ("http://b\u00fccher.example:4318/x", "xn--bcher-kva.example:4318"),
    ],
)
def test_the_host_header(endpoint: str, host: str) -> None:
    """Without user and password, without a zone, and in ASCII."""
    head = HttpTransport(endpoint).connect()._head(5)
    assert said(head)["Host"] == host
    assert b"secret" not in head


def test_a_target_that_would_be_more_is_refused() -> None:
    """A space in a URL ends it."""
    answer = HttpTransport("http://127.0.0.1:1/a b").connect().send([b"x"], soon())
    assert (answer.ok, "URL" in answer.error or "refused" in answer.error) == (False, True)


ANSWERS = {
    "in pieces": [b"HTTP/1.1 20", b"0 OK\r\nContent-Le", b"ngth: 3\r\n\r\na", b"bc"],
    "chunked": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n"],
    "continued": [b"HTTP/1.1 100 Continue\r\n\r\n", OK],
    "large": [b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000)],
    "no content": [b"HTTP/1.1 204 No Content\r\n\r\n"],
}


@pytest.mark.parametrize("pieces", ANSWERS.values(), ids=ANSWERS)
def test_answers_of_all_kinds(pieces: list[bytes]) -> None:
    """And the connection is good for the next request."""

    def reply(connection: socket.socket, _: int) -> None:
        for piece in pieces:
            connection.sendall(piece)
            sleep(0.01)

    with serving(reply) as server:
        connection = connect(server)
        assert [connection.send([b"x"], soon()).ok for _ in range(3)] == [True] * 3
    assert (server.connections, len(server.requests)) == (1, 3)


@pytest.mark.parametrize("body", [b"Content-Length: 9\r\n\r\nabc", b"\r\nabc", b"Connection: close\r\n\r\n"], ids=repr)
def test_an_answer_that_ends_with_the_connection(body: bytes) -> None:
    """What was accepted is not sent again, even if the rest of the answer is missing."""

    def reply(connection: socket.socket, _: int) -> str:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + body)
        return "close"

    with serving(reply) as server:
        connection = connect(server)
        assert [connection.send([b"x"], soon()).ok for _ in range(3)] == [True] * 3
    assert (server.connections, len(server.requests)) == (3, 3)


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.3])
def test_a_connection_that_is_closed_between_requests(pause: float) -> None:
    """Without a word: the next request goes out on another one, once."""

    def reply(connection: socket.socket, _: int) -> str:
        connection.sendall(OK)
        return "close"

    with serving(reply) as server:
        connection = connect(server)
        for _ in range(5):
            assert connection.send([b"x" * 200_000], soon()).ok
            sleep(pause)
    assert [len(body) for _, body in server.requests] == [200_000] * 5


def test_no_answer_in_time_is_not_sent_again() -> None:
    """The receiver may have it."""
    with serving(lambda connection, number: connection.sendall(OK) if number == 1 else sleep(2)) as server:
        connection = connect(server)
        assert connection.send([b"x"], soon()).ok
        begin = monotonic()
        answer = connection.send([b"x"], soon(0.3))
        assert 0.25 < monotonic() - begin < 0.6
        assert (answer.ok, answer.retry, answer.error) == (False, False, "no answer in time")
    assert len(server.requests) == 2


def test_what_is_broken_off_is_not_sent_again() -> None:
    """A connection that had worked looks like one that the receiver closed."""
    with serving(lambda connection, number: connection.sendall(OK) if number == 1 else sleep(2)) as server:
        connection = connect(server)
        assert connection.send([b"x"], soon()).ok
        threading.Timer(0.2, connection.abort).start()
        answer = connection.send([b"x"], soon())
        assert (answer.ok, answer.retry) == (False, False)
        assert not connection.send([b"x"], soon()).ok
        sleep(0.1)
    assert len(server.requests) == 2


def test_a_receiver_that_reads_slowly_gets_it_all() -> None:
    """More than the system takes in one call."""
    with serving() as server:
        connection = connect(server)
        assert connection.send([bytes(1 << 20)] * 11, soon(10)).ok
    assert len(server.requests[0][1]) == 11 << 20
