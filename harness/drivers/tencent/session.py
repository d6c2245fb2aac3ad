"""One device's session: it sends as the app's server does; what it hears comes over the simulator's gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK
from websockets.protocol import State

from harness.drivers.api import (
    Accepted,
    Closed,
    Incoming,
    Outgoing,
    Page,
    Receipt,
    ReceiptState,
    Refreshed,
    Refused,
    TokenRejected,
    Unknown,
)
from harness.drivers.arrivals import arrivals
from harness.drivers.tencent.codes import outcome
from harness.drivers.tencent.messages import Message
from harness.drivers.tencent.rest import BAD_ANSWER
from harness.drivers.tencent.sending import Sender

NOT_CONNECTED = Refused("not_connected")
LOST = Unknown("connection_lost")


class Frame(msgspec.Struct, frozen=True):
    """A frame of the gateway (docs/tencent.md): which fields it has says its ``type``."""

    type: str
    ref: str | None = None
    code: int = 0
    message: Message | None = None
    items: tuple[Message, ...] = ()
    cursor: str = ""
    more: bool = False
    key: str = ""
    by: str = ""


class GatewaySession:
    """A device that has logged in at the simulator's gateway, made by the driver."""

    def __init__(self, socket: ClientConnection, sender: Sender, *, connection: str) -> None:
        self.connection = connection
        self._socket = socket
        self._sender = sender
        self._refs = count(1)
        self._waiting: dict[str, asyncio.Future[Frame | Unknown]] = {}
        self._pushed: asyncio.Queue[Incoming] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read())

    @property
    def credential(self) -> str:
        """The UserSig in use."""
        return self._sender.credential.token

    async def send(self, message: Outgoing, *, attempt: int) -> Accepted | Refused | Unknown:  # noqa: ARG002 - the protocol has no place for it
        """Send once by REST v4, in the person's name."""
        return await self._sender.send(message)

    def incoming(self) -> AsyncIterator[Incoming]:
        """Yield pushed messages and receipts until the connection has ended; for one reader."""
        return arrivals(self._pushed)

    async def sync(self, cursor: str | None) -> Page | Refused | Unknown:
        """Read one page of what the account got and sent."""
        answer = await self._ask("pull", cursor=cursor or "")
        if isinstance(answer, Refused | Unknown):
            return answer
        return Page(tuple(message.delivered() for message in answer.items), answer.cursor, answer.more)

    async def mark(self, message_id: str, state: ReceiptState) -> Refused | Unknown | None:
        """Tell that a message was read; that it was delivered nobody is told in this protocol."""
        if state == "delivered":
            return None
        return _done(await self._ask("read", key=message_id))

    async def refresh(self) -> Refreshed | Refused | Unknown:
        """Get a new UserSig, unless this one was invalidated: then the user has to log in."""
        return await self._sender.refresh()

    async def register_push(self, token: str | None) -> Refused | Unknown | None:
        """Register this device's push token, or remove it."""
        return _done(await self._ask("push_token", token=token or ""))

    async def close(self, *, abrupt: bool = False) -> None:
        """Log out and close, or with ``abrupt`` end the TCP connection without a word."""
        if abrupt:
            self._socket.transport.abort()
        else:
            await self._socket.close()
        await asyncio.wait([self._reader])
        await self._sender.rest.close()

    async def _ask(self, kind: str, **fields: Any) -> Frame | Refused | Unknown:
        if self._socket.state is not State.OPEN:
            return NOT_CONNECTED
        ref = str(next(self._refs))
        answer: asyncio.Future[Frame | Unknown] = asyncio.get_running_loop().create_future()
        self._waiting[ref] = answer
        try:
            await self._socket.send(msgspec.json.encode({"type": kind, "ref": ref, **fields}).decode())
            came = await answer
        except ConnectionClosed:
            return LOST
        finally:
            self._waiting.pop(ref, None)
        return outcome(came.code) if isinstance(came, Frame) and came.code else came

    async def _read(self) -> None:
        try:
            while True:
                self._take(msgspec.json.decode(await self._socket.recv(), type=Frame))
        except ConnectionClosed as end:
            self._end(_closed(end))
        except msgspec.DecodeError:
            self._socket.transport.abort()
            self._end(Closed(None, "bad_frame", clean=False))

    def _take(self, frame: Frame) -> None:
        match frame:
            case Frame(type="message", message=Message() as message):
                self._pushed.put_nowait(message.delivered())
            case Frame(type="receipt"):
                self._pushed.put_nowait(Receipt(frame.key, "read", frame.by))
            case Frame(type="kicked"):
                ended = outcome(frame.code)
                self._sender.note(ended)
                self._pushed.put_nowait(TokenRejected(ended.error_code))
            case _:
                self._answer(frame)

    def _answer(self, frame: Frame) -> None:
        # An answer nobody waits for any more came after its request was given up: its fate stays unknown.
        waiting = self._waiting.get(frame.ref or "")
        if waiting is not None and not waiting.done():
            waiting.set_result(frame)

    def _end(self, closed: Closed) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(LOST)
        self._pushed.put_nowait(closed)


def _done(answer: Frame | Refused | Unknown) -> Refused | Unknown | None:
    if isinstance(answer, Refused | Unknown):
        return answer
    return None if answer.type == "done" else BAD_ANSWER


def _closed(end: ConnectionClosed) -> Closed:
    if end.rcvd is not None:
        return Closed(end.rcvd.code, end.rcvd.reason, clean=isinstance(end, ConnectionClosedOK))
    return Closed(None, "connection_lost" if end.sent is None else "close_unanswered", clean=False)
