"""Finding and connecting an upstream without ever holding up the loop."""

from __future__ import annotations

import contextlib
import errno
import queue
import socket
import threading
from collections.abc import Callable, Sequence

from harness.proxy.addresses import Address, candidates
from harness.proxy.loop import WRITE, Loop, Timer

_REMEMBERED_S = 1.0
_PATIENCE_S = 0.25

Found = Callable[[Sequence[str]], None]


class Resolver:
    """Asks the system for names in a thread of its own.

    Each lookup asks anew, for the machines behind a name come and go; those that wait for one answer share it.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._asked: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._waiting: dict[str, list[Found]] = {}
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._thread: threading.Thread | None = None

    def lookup(self, host: str, found: Found) -> None:
        """Call ``found`` with the host's IP addresses: now when it is one itself, else later; none when it has none."""
        plain = candidates(host)
        if plain is not None:
            found(plain)
            return
        waiting = self._waiting.setdefault(host, [])
        waiting.append(found)
        if len(waiting) == 1:
            self._ask(host)

    def known(self, host: str) -> tuple[str, ...] | None:
        """Return the addresses that were learned within the last second, or need no asking; None without any."""
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
    """One attempt to connect to whichever of a host's addresses answers; ``done`` gets the socket or None.

    A name that stands for several machines stands for the dead ones among them too, for a while: an address that is
    silent for a quarter of a second is not waited for, the next one is tried beside it (RFC 8305, section 5).
    """

    __slots__ = ("_done", "_ips", "_loop", "_port", "_timer", "_tried")

    def __init__(self, loop: Loop, done: Callable[[socket.socket | None], None]) -> None:
        self._loop = loop
        self._done: Callable[[socket.socket | None], None] | None = done
        self._tried: dict[socket.socket, str] = {}
        self._ips: list[str] = []
        self._port = 0
        self._timer: Timer | None = None

    def start(self, address: Address, resolver: Resolver, *, turn: int = 0) -> None:
        """Find the host and connect; ``done`` may be called before this returns.

        ``turn`` counts the connects, so that several addresses of one kind take turns in being the first.
        """
        self._port = address.port
        resolver.lookup(address.host, lambda ips: self._found(in_turn(ips, turn)))

    def cancel(self) -> None:
        """Stop trying; ``done`` is not called."""
        self._done = None
        self._drop_all()

    def on_event(self, _mask: int) -> None:
        """See how the connects went, by asking again: the event may be a stray one."""
        for sock, ip in list(self._tried.items()):
            code = sock.connect_ex((ip, self._port))
            if code != errno.EALREADY:
                self._settle(sock, code)
            if self._done is None:
                return

    def abandon(self) -> None:
        """Give up after an unforeseen failure."""
        self._drop_all()
        self._finish(None)

    def _found(self, ips: list[str]) -> None:
        self._ips = ips
        self._next()

    def _next(self) -> None:
        if self._done is None:
            return
        if self._ips:
            self._connect(self._ips.pop(0))
        elif not self._tried:
            self._finish(None)

    def _connect(self, ip: str) -> None:
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:  # too many open, or no such address family here
            self._next()
            return
        code = sock.connect_ex((ip, self._port))
        if code == errno.EINPROGRESS:  # a local handshake is over by now: ask again before waiting for it
            code = sock.connect_ex((ip, self._port))
        if code in {errno.EINPROGRESS, errno.EALREADY}:
            self._await(sock, ip)
        else:
            self._settle(sock, code)

    def _await(self, sock: socket.socket, ip: str) -> None:
        self._tried[sock] = ip
        self._loop.watch(sock.fileno(), WRITE, self)
        if self._ips:
            self._timer = self._loop.call_at(self._loop.now() + _PATIENCE_S, self._next)

    def _settle(self, sock: socket.socket, code: int) -> None:
        watched = self._tried.pop(sock, None) is not None
        if code not in {0, errno.EISCONN}:
            self._loop.discard(sock)
            self._next()
            return
        if watched:
            self._loop.mute(sock.fileno())
        self._drop_all()
        self._finish(sock)

    def _drop_all(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for sock in self._tried:
            self._loop.discard(sock)
        self._tried.clear()

    def _finish(self, sock: socket.socket | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(sock)


def in_turn(ips: Sequence[str], turn: int) -> list[str]:
    """Return addresses of version 4 before those of version 6, each kind begun with another one at each turn."""
    if len(ips) == 1:
        return list(ips)
    kinds = ([ip for ip in ips if ":" not in ip], [ip for ip in ips if ":" in ip])
    return [kind[(place + turn) % len(kind)] for kind in kinds for place in range(len(kind))]
