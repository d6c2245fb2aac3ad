"""A WebSocket as drivers use it: texts in and out by plain calls, pings of its own, and how it came to its end.

The protocol itself (RFC 6455) is picows'. What is added here is what a harness must know and a library need not tell:
whether a connection ended with a goodbye, in silence, or with one that was never answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from picows import (
    WSCloseCode,
    WSFrame,
    WSHandshakeError,
    WSInvalidMessageError,
    WSInvalidStatusError,
    WSInvalidURL,
    WSListener,
    WSMsgType,
    WSParsedURL,
    WSTransport,
    ws_connect,
)

from harness.drivers.api import Closed, Refused, Unknown

CONNECT_LIMIT_S = 5.0
PING_LIMIT_S = 1.5
CLOSE_LIMIT_S = 0.5
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
READ_BUFFER_BYTES = 4096
"""At first; it grows with what comes. Most people of a crowd only ever get short messages."""

NO_CODE = 1005
GOODBYES = frozenset({1000, 1001, NO_CODE})

_TEXT, _BINARY, _MORE = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
_DATA = (_TEXT, _BINARY, _MORE)
_CLOSE, _PONG = WSMsgType.CLOSE, WSMsgType.PONG

Heard = Callable[[bytes], None]
Ended = Callable[[Closed], None]


@dataclass(frozen=True, slots=True)
class Denied:
    """The service answered the handshake with something else than a WebSocket."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire(WSListener):
    """One connection: ``listen`` names who hears its texts and its end; what came before that is told first."""

    def __init__(self, ping_every_s: float | None) -> None:
        self.open = False
        self._ping_every_s = ping_every_s
        self._loop = asyncio.get_running_loop()
        self._early: list[bytes] = []
        self._heard: Heard = self._early.append
        self._ended: Ended | None = None
        self._closed: Closed | None = None
        self._gone = asyncio.Event()
        self._parts: list[bytes] = []
        self._farewell: tuple[int, str] | None = None
        self._silent = False
        self._timer: asyncio.TimerHandle | None = None

    def listen(self, heard: Heard, ended: Ended) -> None:
        """Hand each text to ``heard`` as it comes, and at last the end to ``ended``; neither may raise."""
        self._heard, self._ended = heard, ended
        for text in self._early:
            heard(text)
        self._early.clear()
        if self._closed is not None:
            ended(self._closed)

    def send(self, text: bytes) -> None:
        """Send one text, without waiting for it to leave; the connection is ``open``."""
        self._transport.send(_TEXT, text)

    async def close(self) -> None:
        """Say goodbye and wait for the answer, for ``CLOSE_LIMIT_S``; harmless after the end."""
        if self.open:
            self.open = False
            self._transport.send_close(WSCloseCode.OK)
            self._after(CLOSE_LIMIT_S, self.abort)
        await self._gone.wait()

    def abort(self) -> None:
        """End the TCP connection without a word."""
        self.open = False
        self._transport.disconnect(graceful=False)

    async def gone(self) -> None:
        """Wait until the connection has ended."""
        await self._gone.wait()

    # What picows calls.

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        self.open = True
        self._await_ping()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame has come; pings were answered already."""
        kind = frame.msg_type
        if self._farewell is not None:
            return
        if kind in _DATA:
            if frame.fin and kind != _MORE and not self._parts:
                self._heard(frame.get_payload_as_bytes())
            else:
                self._piece(frame)
        elif kind == _PONG:
            if self.open:
                self._await_ping()
        elif kind == _CLOSE:
            self._answer_goodbye(transport, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The TCP connection has ended."""
        self.open = False
        if self._timer is not None:
            self._timer.cancel()
        self._closed = self._end(transport)
        self._gone.set()
        if self._ended is not None:
            self._ended(self._closed)

    def pause_writing(self) -> None:
        """Keep on: whoever writes waits for an answer to each message anyway."""

    def resume_writing(self) -> None:
        """See ``pause_writing``."""

    def _piece(self, frame: WSFrame) -> None:
        if (frame.msg_type == _MORE) is not bool(self._parts):
            self._break_off(WSCloseCode.PROTOCOL_ERROR)
            return
        self._parts.append(frame.get_payload_as_bytes())
        if sum(map(len, self._parts)) > MAX_MESSAGE_BYTES:
            self._break_off(WSCloseCode.MESSAGE_TOO_BIG)
        elif frame.fin:
            whole = b"".join(self._parts)
            self._parts.clear()
            self._heard(whole)

    def _break_off(self, code: WSCloseCode) -> None:
        self._transport.send_close(code)
        self.abort()

    def _answer_goodbye(self, transport: WSTransport, frame: WSFrame) -> None:
        self.open = False
        code = cast("int", frame.get_close_code())  # a plain number where it has no name
        self._farewell = (code or NO_CODE, frame.get_close_reason() or "")
        if not transport.is_close_frame_sent:
            transport.send_close(frame.get_close_code() if code else WSCloseCode.OK)
        transport.disconnect()
        self._after(CLOSE_LIMIT_S, self.abort)

    def _await_ping(self) -> None:
        if self._ping_every_s is not None:
            self._after(self._ping_every_s, self._ping)

    def _ping(self) -> None:
        self._transport.send_ping()
        self._after(PING_LIMIT_S, self._fell_silent)

    def _fell_silent(self) -> None:
        self.open, self._silent = False, True
        self._transport.send_close(WSCloseCode.INTERNAL_ERROR, b"keepalive ping timeout")
        self._after(CLOSE_LIMIT_S, self.abort)

    def _after(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, then)

    def _end(self, transport: WSTransport) -> Closed:
        if self._farewell is not None:
            code, reason = self._farewell
            return Closed(code, reason, clean=code in GOODBYES)
        if self._silent:
            return Closed(None, "keepalive_timeout", clean=False)
        return Closed(None, "close_unanswered" if transport.is_close_frame_sent else "connection_lost", clean=False)


async def open_wire(
    url: str, headers: Mapping[str, str], *, ping_every_s: float | None
) -> Wire | Denied | Refused | Unknown:
    """Make one attempt to open a WebSocket at a ``ws://`` or ``wss://`` address; a refusal when no byte left."""
    line = _Line()
    try:
        async with asyncio.timeout(CONNECT_LIMIT_S):
            return await _shaken(url, headers, line, ping_every_s)
    except ConnectionRefusedError:
        return Refused("connect_failed")
    except TimeoutError:
        return Unknown("connect_timeout")
    except (WSInvalidMessageError, OSError, EOFError):
        return Unknown("connection_lost")
    except (WSHandshakeError, WSInvalidURL):
        return Unknown("bad_handshake")
    finally:
        line.let_go()


async def _shaken(
    url: str, headers: Mapping[str, str], line: _Line, ping_every_s: float | None
) -> Wire | Denied | Unknown:
    try:
        _, wire = await ws_connect(
            lambda: Wire(ping_every_s),
            url,
            extra_headers=headers,
            websocket_handshake_timeout=None,
            max_frame_size=MAX_MESSAGE_BYTES,
            read_buffer_init_size=READ_BUFFER_BYTES,
            socket_factory=line.dial,
            use_aiofastnet=False,
        )
    except WSInvalidStatusError as no:
        return await line.denied(no)
    if not isinstance(wire, Wire):  # the connection ended before the handshake did
        return Unknown("connection_lost")
    line.shaken = True
    return wire


@dataclass(slots=True)
class _Line:
    """The TCP connection under a handshake, kept by a second descriptor until that is over.

    With it the rest of a denial is read, of which picows hands on what came with its headers, and a handshake that
    nobody waits for any more is cut off instead of going on by itself.
    """

    shaken: bool = False
    _secret: bool = False
    _second: list[socket.socket] = field(default_factory=list)

    async def dial(self, url: WSParsedURL) -> socket.socket:
        """Connect to the first address of a name that takes it; raises ``OSError``."""
        self._secret = url.is_secure
        problem: OSError = OSError(f"{url.host} has no address")
        for family, kind, number, _, address in await _addresses(url.host, url.port):
            line = socket.socket(family, kind, number)
            line.setblocking(False)  # noqa: FBT003 - the standard library takes it so
            try:
                await asyncio.get_running_loop().sock_connect(line, address)
            except OSError as cause:
                problem = cause
                line.close()
            except BaseException:
                line.close()
                raise
            else:
                self._second.append(line.dup())
                self._second[-1].setblocking(False)  # noqa: FBT003
                return line
        raise problem

    async def denied(self, no: WSInvalidStatusError) -> Denied:
        """Read a denial to its end, which it may never have."""
        assert no.response is not None  # noqa: S101 - it has a status
        body, length = no.raw_body or b"", no.response.headers.get("content-length", "")
        with contextlib.suppress(OSError):
            while not self._secret and length.isdecimal() and len(body) < int(length):
                more = await asyncio.get_running_loop().sock_recv(self._second[-1], READ_BUFFER_BYTES)
                if not more:
                    break
                body += more
        return Denied(int(no.response.status), no.response.headers, body)

    def let_go(self) -> None:
        """Let go of the connection, and end it where it has become no WebSocket."""
        for line in self._second:
            if not self.shaken:
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
            line.close()


async def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    try:  # numbers need no thread to look them up
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(int(family), int(kind), number, name, tuple(address)) for family, kind, number, name, address in found]
