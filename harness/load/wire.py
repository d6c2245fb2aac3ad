"""Lines of JSON over a socket, for greenlets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

Message = dict[str, Any]
CHUNK = 65536


class Wire:
    """One end of a connected socket; several greenlets may send, one reads."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        # Where Locust is, one for greenlets: of two that wait for room, each would send the other's rest.
        self._sending = threading.Lock()

    def send(self, message: Message) -> None:
        """Send one message; raises ``OSError`` when nobody is at the other end."""
        line = msgspec.json.encode(message) + b"\n"
        with self._sending:
            self._connection.sendall(line)

    def messages(self) -> Iterator[Message]:
        """Yield what comes in until the other end has closed."""
        rest = b""
        with suppress(OSError):
            while data := self._connection.recv(CHUNK):
                *lines, rest = (rest + data).split(b"\n")
                yield from map(msgspec.json.decode, lines)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
