"""Loopback ports that belong to a run from before its services start until after they have ended."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"


class Ports:
    """Reserves ports by holding a bound, never listening socket for each.

    On Linux (net/ipv4/inet_connection_sock.c, tcp(7) SO_REUSEADDR) such a socket
    - keeps the port from everybody who asks for *any* free port: ``bind`` to 0 passes it over even with SO_REUSEADDR,
      and ``connect`` never takes a port that was bound by name as its own end;
    - does not hinder a service that binds this very port with SO_REUSEADDR, because nobody listens on it. All common
      servers set that option on POSIX (asyncio, uvicorn, Go, Node, the JVM), and have to: otherwise they could not
      start again either while connections of their killed predecessor linger in TIME_WAIT.
    So a killed service finds its port again, however many connections were open and whatever else runs on the host.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def reserve(self) -> int:
        """Return a free port of 127.0.0.1 that stays reserved until the end; raises ``OSError`` when none is left."""
        held = socket.socket()
        self._held.append(held)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((LOOPBACK, 0))
        return int(held.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for held in self._held:
            held.close()
