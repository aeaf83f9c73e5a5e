"""Sockets, used so that a request is one call of the system and an answer another.

After each call a thread asks for the interpreter again. An application that polls lets go of it 100,000 times a second, and would
have to wake this thread each time.
"""

from __future__ import annotations

import io
import os
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

# What every system takes in one call.
_MOST_PARTS = 64


class Reader:
    """Reads answers from a socket: all that ``HTTPResponse`` asks of one."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - it is always "rb"
        """The answer, to be read."""
        return io.BufferedReader(_Incoming(self._connection))


class _Incoming(io.RawIOBase):
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return self._connection.recv_into(buffer)
        except BlockingIOError as error:
            # How the system tells that the time is up.
            raise TimeoutError from error


def limit(connection: socket.socket, seconds: float) -> None:
    """Let the system do the waiting (seconds), where it can: with Python's own timeout a body goes out in small pieces."""
    import socket

    if not is_plain(connection) or not hasattr(socket, "SO_SNDTIMEO") or os.name != "posix":
        connection.settimeout(seconds)
        return
    packed = struct.pack("ll", *_parts_of(seconds))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, packed)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, packed)
    connection.settimeout(None)


def write(connection: socket.socket, parts: list[bytes]) -> None:
    """All parts in one call of the system, if it takes them."""
    if not is_plain(connection) or not hasattr(connection, "sendmsg") or len(parts) > _MOST_PARTS:
        connection.sendall(b"".join(parts))
        return
    written = connection.sendmsg(parts)
    if written < sum(map(len, parts)):
        connection.sendall(memoryview(b"".join(parts))[written:])


def is_plain(connection: socket.socket) -> bool:
    """Whether this is the system's own socket: neither TLS nor a green one, which keeps its own time."""
    return type(connection).__module__ == "socket"


def _parts_of(seconds: float) -> tuple[int, int]:
    """Whole seconds and microseconds; never both zero, which would be for ever."""
    microseconds = max(int(seconds * 1e6), 1)
    return microseconds // 1_000_000, microseconds % 1_000_000


def readable(connection: socket.socket) -> bool:
    """Whether there is something to read, or the other side has closed."""
    import select

    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([connection], [], [], 0)[0])
