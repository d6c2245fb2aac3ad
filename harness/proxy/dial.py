"""Finding and connecting an upstream without ever holding up the loop."""

from __future__ import annotations

import contextlib
import errno
import queue
import socket
import threading
from collections.abc import Callable, Sequence

from harness.proxy.addresses import Address, candidates
from harness.proxy.loop import WRITE, Loop

_REMEMBERED_S = 1.0

Found = Callable[[Sequence[str]], None]


class Resolver:
    """Asks the system for names in a thread of its own and remembers answers for a second."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._asked: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._waiting: dict[str, list[Found]] = {}
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._thread: threading.Thread | None = None

    def lookup(self, host: str, found: Found) -> None:
        """Call ``found`` with the host's IP addresses: now when they are known, else later; none when it has none."""
        answer = self.known(host)
        if answer is not None:
            found(answer)
            return
        waiting = self._waiting.setdefault(host, [])
        waiting.append(found)
        if len(waiting) == 1:
            self._ask(host)

    def known(self, host: str) -> tuple[str, ...] | None:
        """Return the addresses that need no asking, or None."""
        plain = candidates(host)
        if plain is not None:
            return plain
        learned, answer = self._known.get(host, (0.0, ()))
        return answer if learned and self._loop.now() - learned < _REMEMBERED_S else None

    def _ask(self, host: str) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="resolver", daemon=True)
            self._thread.start()
        self._asked.put(host)

    def _work(self) -> None:
        while True:
            host = self._asked.get()
            answer: tuple[str, ...] = ()
            with contextlib.suppress(OSError, UnicodeError):
                found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
                answer = tuple(sorted({str(entry[4][0]) for entry in found}, key=lambda ip: (":" in ip, ip)))
            self._loop.post(lambda host=host, answer=answer: self._learn(host, answer))  # type: ignore[misc]

    def _learn(self, host: str, answer: tuple[str, ...]) -> None:
        self._known[host] = (self._loop.now(), answer)
        for found in self._waiting.pop(host, []):
            found(answer)


class Dial:
    """One attempt to connect to the first of a host's addresses that answers; ``done`` gets the socket or None."""

    __slots__ = ("_done", "_ip", "_ips", "_loop", "_port", "_sock", "_watched")

    def __init__(self, loop: Loop, done: Callable[[socket.socket | None], None]) -> None:
        self._loop = loop
        self._done: Callable[[socket.socket | None], None] | None = done
        self._sock: socket.socket | None = None
        self._ip = ""
        self._ips: list[str] = []
        self._port = 0
        self._watched = False

    def start(self, address: Address, resolver: Resolver) -> None:
        """Find the host and connect; ``done`` may be called before this returns."""
        self._port = address.port
        resolver.lookup(address.host, self._found)

    def cancel(self) -> None:
        """Stop trying; ``done`` is not called."""
        self._done = None
        self._drop()

    def on_event(self, _mask: int) -> None:
        """See how the connect went, by asking again: the event may be a stray one."""
        if self._sock is not None:
            code = self._sock.connect_ex((self._ip, self._port))
            if code != errno.EALREADY:
                self._settle(self._sock, code)

    def abandon(self) -> None:
        """Give up after an unforeseen failure."""
        self._drop()
        self._finish(None)

    def _found(self, ips: Sequence[str]) -> None:
        self._ips = list(ips)
        self._next()

    def _next(self) -> None:
        if self._done is None:
            return
        if not self._ips:
            self._finish(None)
            return
        self._ip = self._ips.pop(0)
        try:
            self._connect()
        except OSError:  # no socket to be had: too many open, or no such address family here
            self._drop()
            self._next()

    def _connect(self) -> None:
        ip = self._ip
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        sock = self._sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        code = sock.connect_ex((ip, self._port))
        if code == errno.EINPROGRESS:  # a local handshake is over by now: ask again before waiting for it
            code = sock.connect_ex((ip, self._port))
        if code in {errno.EINPROGRESS, errno.EALREADY}:
            self._loop.watch(sock.fileno(), WRITE, self)
            self._watched = True
        else:
            self._settle(sock, code)

    def _settle(self, sock: socket.socket, code: int) -> None:
        if code not in {0, errno.EISCONN}:
            self._drop()
            self._next()
            return
        if self._watched:
            self._loop.mute(sock.fileno())
        self._sock = None
        self._finish(sock)

    def _drop(self) -> None:
        if self._sock is not None:
            self._loop.discard(self._sock)
            self._sock = None
            self._watched = False

    def _finish(self, sock: socket.socket | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(sock)
