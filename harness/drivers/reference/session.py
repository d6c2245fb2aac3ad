"""A live connection to the reference backend: requests matched to answers, and what the service pushes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import count

from harness.drivers.api import (
    Accepted,
    Closed,
    Confirmed,
    Credential,
    Endpoint,
    ForDevice,
    Group,
    Incoming,
    Outgoing,
    Page,
    ReceiptState,
    Refreshed,
    Refused,
    ToDevice,
    TokenRejected,
    Unknown,
)
from harness.drivers.arrivals import arrivals
from harness.drivers.reference.frames import (
    AckFrame,
    Answer,
    BadFrame,
    ConfirmFrame,
    ErrorFrame,
    MarkFrame,
    MessageFrame,
    OkFrame,
    PageFrame,
    ReceiptFrame,
    Request,
    SyncFrame,
    ToDeviceFrame,
    decode,
    encode,
    send_frame,
)
from harness.drivers.reference.rest import BAD_ANSWER, Rest
from harness.drivers.wire import Wire

REJECTIONS = {4001: "token_expired", 4002: "token_revoked"}
"""Close codes that end a session for its token."""

NOT_CONNECTED = Refused("not_connected")
LOST = Unknown("connection_lost")


class ReferenceSession:
    """One device's WebSocket, made by the driver, which has done the handshake; and its requests over HTTP."""

    def __init__(self, wire: Wire, *, connection: str, credential: Credential, at: Endpoint) -> None:
        self.connection = connection
        self.credential = credential.token
        self._wire = wire
        self._rest = Rest(at, credential)
        self._refs = count(1)
        self._waiting: dict[str, asyncio.Future[Answer | Unknown]] = {}
        self._confirming: dict[str, str] = {}
        """Messages to this device by the request that tells of them, until that is answered."""
        self._pushed: asyncio.Queue[Incoming] = asyncio.Queue()
        self._over = False
        self._new_future = asyncio.get_running_loop().create_future
        wire.listen(self._hear, self._end)

    async def send(self, message: Outgoing, *, attempt: int) -> Accepted | Refused | Unknown:  # noqa: ARG002 - the protocol has no place for it
        """Send once and wait for the acknowledgement."""
        if message.over == "http":
            return await self._rest.send(message)
        answer = await self._ask(send_frame(str(next(self._refs)), message))
        return answer.accepted(answer.ref) if isinstance(answer, AckFrame) else _no(answer)

    async def sync(self, cursor: str | None) -> Page | Refused | Unknown:
        """Read one page of this account's feed."""
        answer = await self._ask(SyncFrame(str(next(self._refs)), cursor))
        return answer.page() if isinstance(answer, PageFrame) else _no(answer)

    async def mark(self, message_id: str, state: ReceiptState) -> Refused | Unknown | None:
        """Tell that this device got or opened a message."""
        answer = await self._ask(MarkFrame(str(next(self._refs)), message_id, state))
        return None if isinstance(answer, OkFrame) else _no(answer)

    async def refresh(self) -> Refreshed | Refused | Unknown:
        """Exchange the refresh token over HTTP; the live connection goes on with the token it was opened with."""
        outcome = await self._rest.refresh()
        self.credential = self._rest.credential.token
        return outcome

    async def register_push(self, token: str | None) -> Refused | Unknown | None:
        """Register this device's push token, or remove it."""
        return await self._rest.register_push(token)

    async def create_group(self, members: Sequence[str]) -> Group | Refused | Unknown:
        """Make a group of these people, the caller among them."""
        return await self._rest.create_group(members)

    async def join(self, conversation_id: str) -> Refused | Unknown | None:
        """Become a member of a group."""
        return await self._rest.join(conversation_id)

    async def leave(self, conversation_id: str) -> Refused | Unknown | None:
        """Leave a group."""
        return await self._rest.leave(conversation_id)

    async def block(self, user: str) -> Refused | Unknown | None:
        """See nothing more of somebody."""
        return await self._rest.block(user)

    async def unblock(self, user: str) -> Refused | Unknown | None:
        """Take a block back."""
        return await self._rest.unblock(user)

    async def send_to_device(self, message: ToDevice) -> Refused | Unknown | None:
        """Send to one device over HTTP."""
        return await self._rest.send_to_device(message)

    async def incoming(self) -> AsyncIterator[Incoming]:
        """Yield pushed messages and receipts until the connection has ended; for one reader.

        The service is told of a message to this device once the reader has taken it.
        """
        async for item in arrivals(self._pushed):
            yield item
            if isinstance(item, ForDevice):
                self._confirm(item)

    async def close(self, *, abrupt: bool = False) -> None:
        """Close with a goodbye, or with ``abrupt`` end the TCP connection without a word."""
        if abrupt:
            self._wire.abort()
            await self._wire.gone()
        else:
            await self._wire.close()

    async def _ask(self, request: Request) -> Answer | Refused | Unknown:
        if not self._wire.open:
            return NOT_CONNECTED
        answer: asyncio.Future[Answer | Unknown] = self._new_future()
        self._waiting[request.ref] = answer
        self._wire.send(encode(request))
        try:
            return await answer
        finally:
            self._waiting.pop(request.ref, None)

    def _confirm(self, item: ForDevice) -> None:
        if self._wire.open:
            ref = str(next(self._refs))
            self._confirming[ref] = item.id
            self._wire.send(encode(ConfirmFrame(ref, item.sender, item.id)))

    def _hear(self, text: bytes) -> None:
        try:
            frame = decode(text)
        except BadFrame:
            self._wire.abort()
            self._end(Closed(None, "bad_frame", clean=False))
            return
        if isinstance(frame, MessageFrame):
            self._push(frame.delivered())
        elif isinstance(frame, ReceiptFrame):
            self._push(frame.receipt())
        elif isinstance(frame, ToDeviceFrame):
            self._push(frame.arrived())
        else:
            self._answer(frame)

    def _push(self, item: Incoming) -> None:
        if not self._over:
            self._pushed.put_nowait(item)

    def _answer(self, answer: Answer) -> None:
        if (confirmed := self._confirming.pop(answer.ref or "", None)) is not None and isinstance(answer, OkFrame):
            self._push(Confirmed((confirmed,)))
        # An answer nobody waits for any more came after its request was given up: its fate stays unknown.
        waiting = self._waiting.get(answer.ref or "")
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _end(self, closed: Closed) -> None:
        if self._over:
            return
        self._over = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(LOST)
        if closed.code in REJECTIONS:
            self._pushed.put_nowait(TokenRejected(REJECTIONS[closed.code]))
        self._pushed.put_nowait(closed)


def _no(answer: Answer | Refused | Unknown) -> Refused | Unknown:
    if isinstance(answer, Refused | Unknown):
        return answer
    return answer.outcome() if isinstance(answer, ErrorFrame) else BAD_ANSWER
