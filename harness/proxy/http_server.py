"""The control port: HTTP connections served by the same loop as the proxied ones."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence

from harness.proxy.dial import Found, Resolver
from harness.proxy.http_api import Api, names_to_look_up
from harness.proxy.http_wire import BadRequest, Request, RequestParser, Response
from harness.proxy.loop import BROKEN, READ, WRITE, Loop, Timer

_IDLE_S = 60.0
_READ_SIZE = 64 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HttpConnection:
    """One client of the API; requests are answered in order, one at a time, and a silent client is let go."""

    def __init__(self, loop: Loop, sock: socket.socket, api: Api, resolver: Resolver) -> None:
        self._loop = loop
        self._sock = sock
        self._api = api
        self._resolver = resolver
        self._parser = RequestParser()
        self._out = bytearray()
        self._mask = READ
        self._busy = False
        self._closing = False
        self._closed = False
        self._heard = loop.now()
        self._idle: Timer = loop.call_at(self._heard + _IDLE_S, self._check_idle)
        loop.watch(sock.fileno(), READ, self)

    def on_event(self, mask: int) -> None:
        """Read requests, write answers."""
        if self._mask & READ and mask & (READ | BROKEN):
            self._receive()
        elif mask & BROKEN:
            self.abandon()
        if mask & WRITE and not self._closed:
            self._send()

    def abandon(self) -> None:
        """Close at once."""
        if not self._closed:
            self._closed = True
            self._idle.cancel()
            self._loop.discard(self._sock)

    def _receive(self) -> None:
        try:
            data = self._sock.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up()
            return
        self._heard = self._loop.now()
        self._parser.feed(data)
        self._serve()

    def _hang_up(self) -> None:
        """The client sends no more; it still gets the answers under way."""
        if self._busy or self._out:
            self._closing = True
            self._listen(reading=False)
        else:
            self.abandon()

    def _serve(self) -> None:
        """Answer whole requests; while one waits for a name, nothing more is read."""
        try:
            while not self._busy and not self._closing:
                request = self._parser.next()
                if request is None:
                    break
                self._begin(request)
            if self._parser.expects_continue:
                self._queue(_CONTINUE)
        except BadRequest as problem:
            self._refuse(problem)

    def _begin(self, request: Request) -> None:
        names = names_to_look_up(request)
        if not names:
            self._answer(request)
            return
        self._busy = True
        self._listen(reading=False)
        waiting = set(names)
        for name in names:
            self._resolver.lookup(name, self._one_found(name, waiting, request))

    def _one_found(self, name: str, waiting: set[str], request: Request) -> Found:
        def found(_ips: Sequence[str]) -> None:
            waiting.discard(name)
            if not waiting and not self._closed:
                self._busy = False
                self._listen(reading=not self._closing)
                self._answer(request)
                self._serve()

        return found

    def _answer(self, request: Request) -> None:
        response = self._api.answer(request)
        keep = request.keep_alive and not self._closing
        self._closing = not keep
        self._queue(response.encode(keep_alive=keep, head_only=request.method == "HEAD"))

    def _refuse(self, problem: BadRequest) -> None:
        self._closing = True
        body = f"{problem.status} {problem}\n".encode()
        self._queue(Response(problem.status, body, "text/plain; charset=utf-8").encode(keep_alive=False))

    def _queue(self, data: bytes) -> None:
        self._out += data
        self._send()

    def _send(self) -> None:
        try:
            while self._out:
                sent = self._sock.send(self._out)
                del self._out[:sent]
        except BlockingIOError:
            self._listen(reading=False)  # a client that does not take its answers is not read either
            return
        except OSError:
            self.abandon()
            return
        if self._closing and not self._busy:
            self._finish()
        else:
            self._listen(reading=not self._busy and not self._closing)

    def _finish(self) -> None:
        """Close without destroying the answer: say that no more comes and read away what did."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
            self._sock.recv(_READ_SIZE)
        self.abandon()

    def _listen(self, *, reading: bool) -> None:
        mask = (READ if reading else 0) | (WRITE if self._out else 0)
        if mask != self._mask and not self._closed:
            self._mask = mask
            self._loop.change(self._sock.fileno(), mask)

    def _check_idle(self) -> None:
        quiet_until = self._heard + _IDLE_S
        if quiet_until <= self._loop.now() and not self._busy:
            self.abandon()
        else:
            self._idle = self._loop.call_at(max(quiet_until, self._loop.now() + 1), self._check_idle)
