"""A listening port that can be closed and opened again without anybody else getting it in between."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Sequence

from harness.proxy.addresses import Address, SocketName, show
from harness.proxy.loop import READ, Loop

_BACKLOG = 4096
_ACCEPTS_PER_ROUND = 64
_RETRY_S = 0.1
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

Accepted = Callable[[socket.socket, SocketName], None]


def bind(address: Address, ips: Sequence[str]) -> socket.socket:
    """Bind a socket to the address; raises ``OSError``. All interfaces are served over IPv6 and IPv4 at once."""
    wildcard = address.host in {"", "0.0.0.0", "::"}  # noqa: S104 - asked for by the client, as with Toxiproxy
    family = socket.AF_INET6 if wildcard or ":" in ips[0] else socket.AF_INET
    host = "::" if wildcard else ips[0]
    try:
        return _bind(family, host, address.port)
    except OSError as problem:
        if not wildcard or problem.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
            raise
        return _bind(socket.AF_INET, "0.0.0.0", address.port)  # noqa: S104 - as above, on a host without IPv6


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    first = _bound(family, host, port)
    if port:
        return first
    # A socket that got its port by chance would lose it when it stops listening; one that named it keeps it.
    with first:
        return _bound(family, host, first.getsockname()[1])


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets have it too
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


class Listener:
    """A bound socket that hands accepted ones, not blocking and without delay, to ``accepted``.

    While shut it keeps its port: connects are refused, and nobody else can bind it.
    """

    def __init__(self, loop: Loop, sock: socket.socket, accepted: Accepted) -> None:
        self.name = show(sock.getsockname())
        self._loop = loop
        self._sock = sock
        self._family = sock.family
        self._accepted = accepted
        self._open = False

    def open(self) -> None:
        """Listen; raises ``OSError``."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sock.listen(_BACKLOG)
        self._loop.watch(self._sock.fileno(), READ, self)
        self._open = True

    def shut(self) -> None:
        """Refuse connects and reset those not yet accepted; the port stays taken."""
        self._open = False
        self._loop.mute(self._sock.fileno())
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)

    def close(self) -> None:
        """Give the port back at once, so that the next one may have it."""
        if self._open:
            self.shut()
        self._sock.close()

    def on_event(self, _mask: int) -> None:
        """Accept what waits, some at a time so that open connections have their turn."""
        for _ in range(_ACCEPTS_PER_ROUND):
            if not self._open:
                return
            try:
                # What accept() adds is to look up twice what this listener knows: half of the cost of a new connection.
                fd, name = self._sock._accept()  # type: ignore[attr-defined]  # noqa: SLF001
            except BlockingIOError:
                return
            except OSError as problem:
                self._refused(problem)
                return
            sock = socket.socket(self._family, socket.SOCK_STREAM, 0, fileno=fd)
            sock.settimeout(0)
            self._accepted(sock, name)

    def abandon(self) -> None:
        """Go on listening: one failed accept says nothing about the next."""

    def _refused(self, problem: OSError) -> None:
        """Without room for another socket, stop listening for a moment instead of spinning."""
        if problem.errno in _NO_ROOM:
            self._loop.change(self._sock.fileno(), 0)
            self._loop.call_at(self._loop.now() + _RETRY_S, self._listen_again)

    def _listen_again(self) -> None:
        if self._open:
            self._loop.change(self._sock.fileno(), READ)


def reason(problem: OSError) -> str:
    """Return the system's reason in Go's spelling: lower case and nothing else."""
    return os.strerror(problem.errno or 0).lower()
