"""The WebSocket side: one device's live connection from its upgrade to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.server import ServerState

from harness.reference.clock import Clock
from harness.reference.device_mail import DeviceMail
from harness.reference.fanout import Fanout
from harness.reference.frames import (
    CLOSE_ABNORMAL,
    CLOSE_NO_BINARY,
    CLOSE_NORMAL,
    CLOSE_TOKEN_EXPIRED,
    Error,
    Refused,
    decode,
    encode,
)
from harness.reference.log import Log
from harness.reference.service import Chat
from harness.reference.sessions import CLOSE_CODES, Session
from harness.reference.storage import StorageFailed
from harness.reference.tokens import Identity, Tokens
from harness.reference.upgrade import Gone, Peer, Upgrade
from harness.reference.web import UNAVAILABLE, bearer, refusal, unavailable

CLOSE_WITHIN_S = 1.0


class Live:
    """Opens, serves and ends live connections."""

    def __init__(self, tokens: Tokens, fanout: Fanout, mail: DeviceMail, chat: Chat, log: Log, clock: Clock) -> None:
        self._tokens = tokens
        self._fanout = fanout
        self._mail = mail
        self._chat = chat
        self._log = log
        self._clock = clock

    def protocol(self, *, server_state: ServerState, **_: Any) -> Upgrade:
        """Return what takes over from uvicorn when a connection asks for an upgrade."""
        return Upgrade(server_state, self.serve)

    async def serve(self, upgrade: Upgrade) -> None:
        """Serve one connection: refuse its upgrade, or make it the device's session until it ends."""
        try:
            identity = await self._tokens.identify(bearer(upgrade.headers))
            place = await self._fanout.place(identity.user)
        except (Refused, StorageFailed) as cause:
            await self._refuse(upgrade, cause)
            return
        session = Session(identity, self._clock())
        # Registered before the client hears of it: what is stored from now on reaches it live, what was stored
        # before is in its next sync.
        self._fanout.follow(session, place)
        code = CLOSE_ABNORMAL
        try:
            await self._mail.open(session)
            code = await self._serve(upgrade.accept(), session, identity)
        except Gone:
            return
        except StorageFailed as cause:
            await self._refuse(upgrade, cause)
        finally:
            session.ended_cleanly = code in CLOSE_NORMAL
            session.close(code)
            self._fanout.leave(session)
            self._note("connection_closed", session, code=code)

    async def _refuse(self, upgrade: Upgrade, cause: Refused | StorageFailed) -> None:
        answer = refusal(cause) if isinstance(cause, Refused) else unavailable()
        self._log("upgrade_refused", error_code=cause.code if isinstance(cause, Refused) else UNAVAILABLE)
        await upgrade.deny(answer)

    async def _serve(self, peer: Peer, session: Session, identity: Identity) -> int:
        self._note("connection_opened", session)
        lifetime_s = (identity.expires_ms - self._clock()) / 1000
        expiry = asyncio.get_running_loop().call_later(lifetime_s, session.close, CLOSE_TOKEN_EXPIRED)
        reader = asyncio.create_task(self._read(peer, session))
        writer = asyncio.create_task(session.pump(peer.send))
        ends: list[asyncio.Future[Any]] = [reader, writer, session.closing]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if writer.done():  # the peer is gone; whether it said goodbye is for the reader to hear
                await asyncio.wait({reader}, timeout=CLOSE_WITHIN_S)
        finally:
            for timer_or_task in (expiry, reader, writer):
                timer_or_task.cancel()
        code = _end_of(await asyncio.gather(reader, writer, return_exceptions=True))
        if not session.closing.done():
            return code
        await peer.close(session.closing.result())
        return session.closing.result()

    async def _read(self, peer: Peer, session: Session) -> int:
        while True:
            text = await peer.receive()
            if isinstance(text, int):
                return text
            if text is None:
                session.close(CLOSE_NO_BINARY)
                return CLOSE_NO_BINARY
            if (ended := self._ended(session)) is not None:
                session.close(ended)
                return ended
            request = decode(text)
            if isinstance(request, Error):
                session.push(encode(request))
            else:
                await self._chat.handle(session, request)

    def _ended(self, session: Session) -> int | None:
        # Asked before each request as well as by a timer: the wall clock may have been set meanwhile.
        try:
            self._tokens.check(session.identity)
        except Refused as refused:
            return CLOSE_CODES[refused.code]
        return None

    def _note(self, event: str, session: Session, **fields: int) -> None:
        self._log(event, user=session.user, device=session.device, connection=session.connection, **fields)


def _end_of(ends: Iterable[int | BaseException | None]) -> int:
    """Return the peer's close code; raises what a task died of, unless it was the connection's end."""
    for end in ends:
        if isinstance(end, int):
            return end
        if isinstance(end, Exception) and not isinstance(end, Gone):
            raise end
    return CLOSE_ABNORMAL
