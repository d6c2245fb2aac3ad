"""The chat's WebSockets: uvicorn hands a connection over when it asks for an upgrade, and from then on it is picows'.

Through uvicorn's own WebSockets and ASGI each frame would take some ten times as long.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, cast

from picows import WSAutoPingStrategy, WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport
from picows.picows import WSProtocol  # type: ignore[attr-defined]
from starlette.datastructures import Headers
from starlette.responses import Response
from uvicorn.server import ServerState

from harness.reference.frames import CLOSE_ABNORMAL, MAX_FRAME_BYTES

PATH = b"/v1/ws"
CLOSE_RESTART = 1012
CLOSE_NO_TEXT = 1007
CLOSE_TOO_BIG = 1009
CLOSE_PROTOCOL = 1002
NO_CODE = 1005
CLOSE_WITHIN_S = 1.0
PING_AFTER_S = 20.0
PONG_WITHIN_S = 20.0
READ_BUFFER_BYTES = 4096
"""At first; it grows with what comes."""

_logger = logging.getLogger("chat.websocket")
_TEXT, _BINARY, _MORE, _CLOSE = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION, WSMsgType.CLOSE


class Gone(Exception):
    """The connection has ended."""


Serve = Callable[["Upgrade"], Coroutine[Any, Any, None]]


class Upgrade(asyncio.Protocol):
    """One connection that has asked to become a WebSocket: denied, or accepted and then served."""

    def __init__(self, state: ServerState, serve: Serve) -> None:
        self.headers = Headers()
        self._state = state
        self._serve = serve
        self._head = b""
        self._peer: Peer | None = None
        self._transport: asyncio.Transport
        self._lost = False

    # What uvicorn calls, or asyncio until the connection is picows'.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection over from uvicorn's HTTP."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport
        _open(self._state).add(self)

    def data_received(self, data: bytes) -> None:
        """Take the request, in one piece; what comes after it waits for the answer."""
        begun, self._head = bool(self._head), self._head + data
        if not begun:
            lines = self._head.partition(b"\r\n\r\n")[0].split(b"\r\n")
            self.headers = Headers(raw=[_header(line) for line in lines[1:]])
            found = lines[0].split(b" ")[1].partition(b"?")[0] == PATH
            task = asyncio.get_running_loop().create_task(self._serve(self) if found else self.deny(Response("", 404)))
            self._state.tasks.add(task)
            task.add_done_callback(self._state.tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Note that the client has not waited for its answer."""
        self.ended()

    def shutdown(self) -> None:
        """End the connection, because the service ends."""
        if self._peer is None:
            self._transport.close()
        else:
            self._peer.end(CLOSE_RESTART)

    # What serves it.

    async def deny(self, answer: Response) -> None:
        """Answer with something else than a WebSocket."""
        phrase = HTTPStatus(answer.status_code).phrase
        head = [f"HTTP/1.1 {answer.status_code} {phrase}".encode(), b"connection: close"]
        head += [name + b": " + value for name, value in answer.raw_headers]
        self._transport.write(b"\r\n".join([*head, b"", bytes(answer.body)]))
        self._transport.close()

    def accept(self) -> Peer:
        """Make a WebSocket of it; raises ``Gone``."""
        if self._lost or self._transport.is_closing():
            raise Gone
        self._peer = Peer(self)
        protocol = _protocol(self._peer)
        protocol.connection_made(self._transport)
        self._transport.set_protocol(protocol)
        _feed(protocol, self._head)
        if not self._peer.open:  # picows has answered what was no proper handshake
            raise Gone
        return self._peer

    def ended(self) -> None:
        """Forget the connection."""
        self._lost = True
        _open(self._state).discard(self)


class Peer(WSListener):
    """The other end of a WebSocket."""

    def __init__(self, upgrade: Upgrade) -> None:
        self.open = False
        self._upgrade = upgrade
        self._transport: WSTransport
        self._came: asyncio.Queue[str | int | None] = asyncio.Queue()
        self._parts: list[bytes] = []
        self._writable = asyncio.Event()
        self._writable.set()
        self._over = False
        self._gone = asyncio.Event()

    async def receive(self) -> str | int | None:
        """Return the next text, None for a message that is none, or at last the code that the connection ended with."""
        return await self._came.get()

    async def send(self, text: str) -> None:
        """Send a text, once there is room for it; raises ``Gone``."""
        if not self._writable.is_set():
            await self._writable.wait()
        if self._over:
            raise Gone
        self._transport.send(_TEXT, text)

    async def close(self, code: int) -> None:
        """Say goodbye and wait for the answer, for ``CLOSE_WITHIN_S``."""
        self.end(code)
        await self._gone.wait()

    def end(self, code: int) -> None:
        """Say goodbye, and hang up when that is not answered."""
        if self._over:
            return
        self._over = True
        self._writable.set()
        self._came.put_nowait(code)
        self._transport.send_close(cast("WSCloseCode", code))  # any number will do
        asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, self._hang_up)

    def _hang_up(self) -> None:
        self._transport.disconnect(graceful=False)

    # What picows calls.

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake was answered."""
        self._transport = transport
        self.open = True

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame has come; pings were answered already."""
        kind = frame.msg_type
        if kind == _CLOSE:
            self._answer_goodbye(transport, frame)
        elif self._over:
            return
        elif kind == _TEXT and frame.fin and not self._parts:
            self._hear(frame.get_payload_as_bytes())
        elif kind in (_TEXT, _MORE):
            self._piece(frame)
        elif kind == _BINARY:
            self._came.put_nowait(None)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The TCP connection has ended."""
        if not self._over:
            sent = transport.close_handshake.sent if transport.is_close_frame_sent else None
            self._came.put_nowait(cast("int", sent.code) if sent else CLOSE_ABNORMAL)
        self._over = True
        self._writable.set()
        self._gone.set()
        self._upgrade.ended()

    def pause_writing(self) -> None:
        """The client does not read: let what is for it wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """There is room again."""
        self._writable.set()

    def _hear(self, content: bytes) -> None:
        try:
            self._came.put_nowait(content.decode())
        except UnicodeDecodeError:
            self.end(CLOSE_NO_TEXT)

    def _piece(self, frame: WSFrame) -> None:
        if (frame.msg_type == _MORE) is not bool(self._parts):
            self.end(CLOSE_PROTOCOL)
            return
        self._parts.append(frame.get_payload_as_bytes())
        if sum(map(len, self._parts)) > MAX_FRAME_BYTES:
            self.end(CLOSE_TOO_BIG)
        elif frame.fin:
            whole = b"".join(self._parts)
            self._parts.clear()
            self._hear(whole)

    def _answer_goodbye(self, transport: WSTransport, frame: WSFrame) -> None:
        code: Any = frame.get_close_code()  # a plain number where it has no name
        if not self._over:
            self._over = True
            self._writable.set()
            self._came.put_nowait(int(code) or NO_CODE)
            transport.send_close(code or WSCloseCode.OK)
            asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, self._hang_up)
        transport.disconnect()


def _open(state: ServerState) -> set[Any]:
    """The connections that uvicorn ends when the service does; only its own kinds are declared."""
    return state.connections


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()


def _protocol(peer: Peer) -> WSProtocol:
    # In the order in which ``picows.ws_create_server`` has them.
    return WSProtocol(
        None,
        None,
        False,  # noqa: FBT003 - this is the server's side
        lambda _: peer,
        _logger,
        True,  # noqa: FBT003 - an exception of ours ends the connection
        None,
        True,  # noqa: FBT003 - pings
        PING_AFTER_S,
        PONG_WITHIN_S,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        True,  # noqa: FBT003 - pongs
        MAX_FRAME_BYTES,
        None,
        READ_BUFFER_BYTES,
    )


def _feed(protocol: WSProtocol, data: bytes) -> None:
    while data:
        room = protocol.get_buffer(-1)
        taken = min(len(room), len(data))
        room[:taken] = data[:taken]
        protocol.buffer_updated(taken)
        data = data[taken:]
