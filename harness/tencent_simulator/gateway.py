"""The gateway by which devices hear of messages: ours, the SDK's own protocol is not public (docs/tencent.md)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from harness.reference.clock import Clock
from harness.reference.frames import CLOSE_ABNORMAL, CLOSE_NORMAL, CLOSE_TOKEN_EXPIRED
from harness.reference.log import Log
from harness.reference.push_store import PushStore
from harness.reference.sessions import CLOSE_CODES, Session, Sessions
from harness.reference.storage import StorageFailed
from harness.tencent_simulator.accounts import CODES, Accounts
from harness.tencent_simulator.answers import INTERNAL, Json, Refusal
from harness.tencent_simulator.c2c import C2c
from harness.tencent_simulator.messages import Messages
from harness.tencent_simulator.webhooks import PLATFORMS, Webhooks

LOGIN_WITHIN_S = 5.0
CLOSE_WITHIN_S = 1.0
BAD_FRAME, NOT_ENTERED = 1008, 4003
KICKED = {close: CODES[how] for how, close in CLOSE_CODES.items()}


class Frame(msgspec.Struct, frozen=True):
    """A device's request."""

    type: str
    ref: str
    cursor: str = ""
    key: str = ""
    token: str = ""
    sdkappid: int = 0
    user: str = ""
    device: str = ""
    usersig: str = ""
    platform: str = ""


class Gateway:
    """Serves devices."""

    def __init__(
        self,
        sdkappid: int,
        accounts: Accounts,
        sessions: Sessions,
        messages: Messages,
        c2c: C2c,
        push_store: PushStore,
        webhooks: Webhooks,
        clock: Clock,
        log: Log,
    ) -> None:
        self._sdkappid = sdkappid
        self._accounts = accounts
        self._sessions = sessions
        self._messages = messages
        self._c2c = c2c
        self._push_store = push_store
        self._webhooks = webhooks
        self._clock = clock
        self._log = log

    async def endpoint(self, websocket: WebSocket) -> None:
        """Serve one connection: log the device in, then serve it until it ends."""
        await websocket.accept()
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._enter(websocket)

    async def _enter(self, websocket: WebSocket) -> None:
        try:
            async with asyncio.timeout(LOGIN_WITHIN_S):
                login = _frame(await websocket.receive_text())
            session = self._session(login)
        except TimeoutError:
            await websocket.close(NOT_ENTERED)
            return
        except Refusal as refusal:
            self._log("login_refused", error_code=refusal.code)
            await websocket.send_text(_text({"type": "error", "ref": "0", "code": refusal.code}))
            await websocket.close(NOT_ENTERED)
            return
        # Registered before the device hears of it: what is stored from now on reaches it live, what was stored before
        # is in its next pull.
        self._sessions.register(session)
        session.push(_text({"type": "done", "ref": login.ref}))
        platform = PLATFORMS.get(login.platform, "Unknown")
        self._note("connection_opened", session)
        self._state(session, platform, "Login", "Register")
        code = CLOSE_ABNORMAL
        try:
            code = await self._serve(websocket, session)
        finally:
            session.close(code)
            self._sessions.unregister(session)
            self._note("connection_closed", session, code=code)
            said_goodbye = code in CLOSE_NORMAL
            left = ("Logout", "Unregister") if said_goodbye else ("Disconnect", "LinkClose")
            self._state(session, platform, *left)

    def _session(self, login: Frame) -> Session:
        if login.type != "login" or login.sdkappid != self._sdkappid or not login.device:
            raise Refusal(70402, "the first frame is no login at this app")
        return Session(self._accounts.identify(login.user, login.device, login.usersig), self._clock())

    async def _serve(self, websocket: WebSocket, session: Session) -> int:
        lifetime_s = (session.identity.expires_ms - self._clock()) / 1000
        expiry = asyncio.get_running_loop().call_later(lifetime_s, session.close, CLOSE_TOKEN_EXPIRED)
        reader = asyncio.create_task(self._read(websocket, session))
        writer = asyncio.create_task(session.pump(websocket.send_text))
        ends: list[asyncio.Future[Any]] = [reader, writer, session.closing]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for timer_or_task in (expiry, reader, writer):
                timer_or_task.cancel()
        ended = await asyncio.gather(reader, writer, return_exceptions=True)
        if not session.closing.done():
            return ended[0] if isinstance(ended[0], int) else CLOSE_ABNORMAL
        code = session.closing.result()
        await _say_goodbye(websocket, code)
        return code

    async def _read(self, websocket: WebSocket, session: Session) -> int:
        while True:
            try:
                frame = _frame(await websocket.receive_text())
                answer = await self._answer(session, frame)
            except WebSocketDisconnect as end:
                return end.code
            except Refusal:
                session.close(BAD_FRAME)
                return BAD_FRAME
            session.push(_text({**answer, "ref": frame.ref}))

    async def _answer(self, session: Session, frame: Frame) -> Json:
        try:
            match frame.type:
                case "pull":
                    return await self._page(session.user, frame.cursor)
                case "read":
                    await self._c2c.read_one(session.user, frame.key)
                case "push_token":
                    await self._register_push(session, frame.token)
                case _:
                    return {"type": "error", "code": 70402}
        except Refusal as refusal:
            return {"type": "error", "code": refusal.code}
        except StorageFailed:
            return {"type": "error", "code": INTERNAL}
        return {"type": "done"}

    async def _page(self, user: str, cursor: str) -> Json:
        after = int(cursor) if cursor.isdecimal() else 0
        found, more = await self._messages.pull(user, after)
        last = found[-1].id if found else after
        return {"type": "page", "items": [one.item() for one in found], "cursor": str(last), "more": more}

    async def _register_push(self, session: Session, token: str) -> None:
        if not token:
            await self._push_store.unregister(session.user, session.device)
        elif not await self._push_store.register(session.user, session.device, token):
            raise Refusal(70402, "the provider has told that this token is gone")

    def _state(self, session: Session, platform: str, action: str, reason: str) -> None:
        info = {"Action": action, "To_Account": session.user, "Reason": reason}
        self._webhooks.after("State.StateChange", {"EventTime": self._clock(), "Info": info}, platform)

    def _note(self, event: str, session: Session, **fields: int) -> None:
        self._log(event, user=session.user, device=session.device, connection=session.connection, **fields)


async def _say_goodbye(websocket: WebSocket, code: int) -> None:
    """Tell why, then close; the peer may be gone or not reading, and must not hold anything up."""
    with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
        async with asyncio.timeout(CLOSE_WITHIN_S):
            if code in KICKED:
                await websocket.send_text(_text({"type": "kicked", "code": KICKED[code]}))
            await websocket.close(code)


def _frame(text: str) -> Frame:
    try:
        return msgspec.json.decode(text, type=Frame)
    except msgspec.DecodeError:
        raise Refusal(70402, "the frame is none") from None


def _text(frame: Json) -> str:
    return msgspec.json.encode(frame).decode()
