"""A live connection of a mapped protocol: requests matched to answers, and what the service says on its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import count
from typing import Any
from urllib.parse import urlencode

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK
from websockets.frames import CloseCode
from websockets.protocol import State

from harness.core.errors import ChatChaosError
from harness.drivers.api import (
    Accepted,
    Closed,
    Credential,
    Delivered,
    Incoming,
    Outgoing,
    Page,
    ReceiptState,
    Refreshed,
    Refused,
    TokenRejected,
    Unknown,
)
from harness.drivers.mapped import reading
from harness.drivers.mapped.http import form_fields
from harness.drivers.mapped.misfit import Misfit
from harness.drivers.mapped.model import MappingModel, RequestModel
from harness.drivers.mapped.protocol import Protocol
from harness.drivers.mapped.rules import Asked
from harness.drivers.mapped.templates import Values, render, render_fields

NOT_CONNECTED = Refused("not_connected")
LOST = Unknown("connection_lost")
UNSUPPORTED = Refused("not_in_the_mapping", http_status=400)
_NS_PER_MS = 1_000_000

Frame = Any
Done = Refused | Unknown | None


class MappedSession:
    """One device's live connection, made by the driver, and its requests over HTTP."""

    def __init__(
        self, socket: ClientConnection, protocol: Protocol, *, connection: str, credential: Credential, values: Values
    ) -> None:
        self.connection = connection
        self.credential = credential.token
        self._shown = credential
        self._socket = socket
        self._protocol = protocol
        self._model: MappingModel = protocol.model
        self._values: dict[str, Any] = dict(values)
        self._refs = count(1)
        self._waiting: dict[Asked, asyncio.Future[Frame | Unknown]] = {}
        self._pushed: asyncio.Queue[Incoming | ChatChaosError] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read())
        self._pinger = asyncio.create_task(self._ping()) if self._model.connect.ping.frame is not None else None

    async def hello(self) -> Done:
        """Ask what is asked first on each connection, if anything is."""
        first = self._model.connect.hello
        return None if first is None else done(await self._ask("connect.hello", first))

    async def send(self, message: Outgoing, *, attempt: int) -> Accepted | Refused | Unknown:
        """Send once and wait for the acknowledgement."""
        over_http = message.over == "http" and self._model.send_http is not None
        rule, request = ("send_http", self._model.send_http) if over_http else ("send", self._model.send)
        assert request is not None  # noqa: S101 - for the type checker
        return self._protocol.understood(
            await self._ask(rule, request, **self._of_message(message, attempt)),
            f"{rule}.answer",
            lambda frame: reading.accepted(f"{rule}.answer", request.answer, frame, message),
        )

    async def sync(self, cursor: str | None) -> Page | Refused | Unknown:
        """Read one page."""
        model = self._model.sync
        answer = await self._ask("sync", model, cursor=cursor or None)
        return self._protocol.understood(answer, "sync.answer", lambda frame: self._page(frame, cursor))

    async def mark(self, message_id: str, state: ReceiptState) -> Done:
        """Tell that this device got or opened a message; a service without receipts is told nothing."""
        if self._model.mark is None:
            return None
        written = getattr(self._model.states, state)
        return done(await self._ask("mark", self._model.mark, message_id=message_id, state=written))

    async def refresh(self) -> Refreshed | Refused | Unknown:
        """Exchange the refresh token over HTTP; where there is none only a new login helps."""
        model = self._model.refresh
        if model is None or self._shown.refresh_token is None:
            return Refused("no_refresh_token", http_status=401)
        outcome = await self._protocol.refresh(model, self._values, self._shown)
        if isinstance(outcome, Refreshed):
            self._shown = outcome.credential
            self.credential = outcome.credential.token
            self._values |= {"token": self._shown.token, "refresh_token": self._shown.refresh_token}
        return outcome

    async def register_push(self, token: str | None) -> Done:
        """Register this device's push token, or remove it."""
        push = self._model.push
        if push is None:
            return UNSUPPORTED
        rule, request = ("push.remove", push.remove) if token is None else ("push.register", push.register_)
        return done(await self._ask(rule, request, push_token=token))

    async def incoming(self) -> AsyncIterator[Incoming]:
        """Yield pushed messages and receipts until the connection has ended; for one reader."""
        while True:
            item = await self._pushed.get()
            if isinstance(item, ChatChaosError):
                raise item
            yield item
            if isinstance(item, Closed):
                return

    async def close(self, *, abrupt: bool = False) -> None:
        """Close with a goodbye, or with ``abrupt`` end the TCP connection without a word."""
        if abrupt:
            self._socket.transport.abort()
        else:
            await self._socket.close()
        await asyncio.wait([self._reader])

    def _page(self, frame: Frame, asked_with: str | None) -> Page:
        found = reading.page("sync.answer", self._model.sync.answer, self._model.message, frame, self._protocol.names)
        items = tuple(Delivered(**facts) for facts in found.items)
        return Page(items, found.cursor if found.cursor is not None else asked_with or "", found.more)

    def _of_message(self, message: Outgoing, attempt: int) -> Mapping[str, Any]:
        recipient = message.recipient
        names = self._protocol.names
        return {
            "client_message_id": message.client_message_id,
            "conversation_id": message.conversation_id,
            "group": message.conversation_id if recipient is None else None,
            "recipient": None if recipient is None else names.users.get(recipient, recipient),
            "recipient_id": None if recipient is None else names.ids.get(recipient),
            "body": message.body,
            "client_time_ms": message.client_time_ns // _NS_PER_MS,
            "client_time_s": message.client_time_ns // (1000 * _NS_PER_MS),
            "attempt": attempt,
        }

    async def _ask(self, rule: str, request: RequestModel, **own: Any) -> Frame | Refused | Unknown:
        values = {**self._values, **own, "ref": str(next(self._refs)), "now_ms": self._protocol.now_ms()}
        if request.http is not None:
            return await self._protocol.over_http(rule, request, values)
        return await self._over_live(rule, request, values)

    async def _over_live(self, rule: str, request: RequestModel, values: Values) -> Frame | Refused | Unknown:
        if self._socket.state is not State.OPEN:
            return NOT_CONNECTED
        asked = self._protocol.rules.asked(f"{rule}.answer", request, values)
        try:
            if asked is None:
                await self._put(request.frame, values)
                return {}
            return await self._answer_to(asked, request, values)
        except ConnectionClosed:
            return LOST

    async def _answer_to(self, asked: Asked, request: RequestModel, values: Values) -> Frame | Refused | Unknown:
        answer: asyncio.Future[Frame | Unknown] = asyncio.get_running_loop().create_future()
        self._waiting[asked] = answer
        try:
            await self._put(request.frame, values)
            frame = await answer
        finally:
            self._waiting.pop(asked, None)
        if isinstance(frame, Unknown) or not asked.refuses(frame):
            return frame
        return self._protocol.refusal(frame)

    async def _put(self, template: Any, values: Values) -> None:
        if self._model.connect.encoding == "form":
            await self._socket.send(urlencode(render_fields(template, values)))
        else:
            await self._socket.send(msgspec.json.encode(render(template, values)).decode())

    async def _read(self) -> None:
        try:
            while True:
                await self._take(_decoded(await self._socket.recv(), self._model.connect.encoding))
        except ConnectionClosed as end:
            self._end(_closed(end))
        except (msgspec.DecodeError, Misfit, RecursionError):
            self._broken()
        except ChatChaosError as wrong:
            self._socket.transport.abort()
            self._fail(wrong)

    async def _take(self, frame: Frame) -> None:
        for asked, waiting in self._waiting.items():
            if asked.takes(frame):
                if not waiting.done():
                    waiting.set_result(frame)
                return
        pushed = self._pushed_by(frame)
        if pushed is not None:
            for item in pushed:
                self._pushed.put_nowait(item)
        elif (reply := self._protocol.rules.reply(frame, self._values)) is not None:
            await self._put(reply, {})
        elif not self._protocol.rules.known(frame):
            raise self._protocol.rules.stranger(frame)

    def _pushed_by(self, frame: Frame) -> Sequence[Incoming] | None:
        try:
            return self._protocol.rules.pushed(frame)
        except Misfit as misfit:
            self._protocol.proofs.blame(misfit)
            raise

    async def _ping(self) -> None:
        ping = self._model.connect.ping
        request = RequestModel.model_construct(frame=ping.frame, answer=None)
        while True:
            await asyncio.sleep(ping.every)
            asked = Asked("ping", ping.pong or {}, None)
            try:
                async with asyncio.timeout(ping.within):
                    await self._answer_to(asked, request, self._values)
            except TimeoutError:
                self._socket.transport.abort()
                self._end(Closed(None, "keepalive_timeout", clean=False))
                return
            except ConnectionClosed:
                return

    def _broken(self) -> None:
        self._socket.transport.abort()
        self._end(Closed(None, "bad_frame", clean=False))

    def _end(self, closed: Closed) -> None:
        self._let_go(LOST)
        reason = self._model.connect.closes.get(str(closed.code))
        if reason is not None:
            self._pushed.put_nowait(TokenRejected(reason))
        self._pushed.put_nowait(closed)

    def _fail(self, wrong: ChatChaosError) -> None:
        """The mapping is wrong: whoever reads or waits is told, and the run ends."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(wrong)
        self._pushed.put_nowait(wrong)

    def _let_go(self, outcome: Unknown) -> None:
        if self._pinger is not None:
            self._pinger.cancel()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(outcome)


def done(outcome: Frame | Refused | Unknown) -> Done:
    """Return an outcome that has nothing to tell but its failure."""
    return outcome if isinstance(outcome, Refused | Unknown) else None


def _decoded(text: str | bytes, encoding: str) -> Frame:
    if encoding == "form":
        return form_fields(text if isinstance(text, str) else text.decode(errors="replace"))
    return msgspec.json.decode(text)


def _closed(end: ConnectionClosed) -> Closed:
    if end.rcvd is not None:
        return Closed(end.rcvd.code, end.rcvd.reason, clean=isinstance(end, ConnectionClosedOK))
    if end.sent is not None:
        # Our own close was never answered: a ping had no pong, or the goodbye fell on deaf ears.
        unheard = end.sent.code == CloseCode.INTERNAL_ERROR
        return Closed(None, "keepalive_timeout" if unheard else "close_unanswered", clean=False)
    return Closed(None, "connection_lost", clean=False)
