"""The correct client: what a good chat app does between the user's tap and the check mark.

Each message keeps one ``client_message_id`` over all its attempts. A conversation's next message leaves only after the
previous one was settled, which keeps the sender's order across retries. A send that was refused for its token is
repeated once as soon as there is another; a wish for time (Retry-After) holds up all of the device's messages. Every
attempt is recorded here, below any hiding of its outcome, because the server's defects show in single attempts.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any, Protocol

from harness.core.digests import body_digest, secret_ref
from harness.core.plan import Transport
from harness.core.retry import is_final
from harness.drivers.api import Accepted, Device, Outgoing, Refused, Session, Unknown
from harness.drivers.habits import CORRECT, Habits
from harness.drivers.limits import Limits
from harness.drivers.tokens import UNAUTHORISED, Spawn, Tokens
from harness.history.recorder import Recorder

NOT_CONNECTED = Refused("not_connected")
ACK_TIMEOUT = Unknown("ack_timeout")
LIMITED = 429


class Line(Protocol):
    """The device's connection as its outbox sees it."""

    def way(self, over: Transport) -> Session | None:
        """The session that can carry a message now, or None; over HTTP also one whose live connection was lost."""
        ...

    async def up(self, over: Transport) -> Session:
        """Wait for such a session."""
        ...

    async def drop(self, session: Session, reason: str) -> None:
        """Give a session up as broken, so that a new one is made."""
        ...


@dataclass(slots=True)
class _Operation:
    """One message on its way, with what is known of its attempts; ``message`` is what the latest attempt sent."""

    first: Outgoing
    message: Outgoing
    intended_ns: int
    attempt: int = 0
    in_flight: bool = False
    doubtful: bool = False
    resent_for_token: bool = False

    @property
    def id(self) -> str:
        """The operation's id in the history."""
        return self.first.client_message_id


class Outbox:
    """Sends one device's messages until each is acknowledged, finally refused or given up."""

    def __init__(
        self,
        device: Device,
        line: Line,
        tokens: Tokens,
        recorder: Recorder,
        *,
        link: str,
        key: bytes,
        rng: random.Random,
        spawn: Spawn,
        habits: Habits = CORRECT,
        limits: Limits | None = None,
    ) -> None:
        self._device = device
        self._line = line
        self._tokens = tokens
        self._recorder = recorder
        self._link = link
        self._key = key
        self._rng = rng
        self._spawn = spawn
        self._habits = habits
        self._ack_limit = (limits or Limits()).of(habits.ack_timeout_s)
        self._held_until_s = 0.0
        self._shown = "", ""
        self._lanes: dict[str, asyncio.Queue[_Operation]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._open: dict[str, _Operation] = {}
        self._closed = False

    @property
    def pending(self) -> int:
        """Messages that are not settled."""
        return len(self._open)

    @property
    def in_flight(self) -> int:
        """Messages whose current attempt awaits its answer."""
        return sum(operation.in_flight for operation in self._open.values())

    def submit(self, message: Outgoing, *, intended_ns: int) -> None:
        """Take a message from the user; it was due at ``intended_ns`` (monotonic). Ignored after ``give_up``."""
        if self._closed:
            return
        operation = self._open[message.client_message_id] = _Operation(message, message, intended_ns)
        self._lane(message.conversation_id).put_nowait(operation)

    def give_up(self) -> None:
        """Stop sending for good and record every unsettled message as finally failed or of unknown fate."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        for operation in self._open.values():
            doubtful = operation.doubtful or operation.in_flight
            self._record_failure(operation, Unknown("given_up") if doubtful else Refused("given_up"), final=True)
        self._open.clear()

    def _lane(self, conversation: str) -> asyncio.Queue[_Operation]:
        lane = self._lanes.get(conversation)
        if lane is None:
            lane = self._lanes[conversation] = asyncio.Queue()
            self._tasks.append(self._spawn(self._drain(lane)))
        return lane

    async def _drain(self, lane: asyncio.Queue[_Operation]) -> None:
        while True:
            operation = await lane.get()
            await self._while_held()
            while (delay_ms := await self._attempt(operation)) is not None:
                await asyncio.sleep(delay_ms / 1000)
                if self._habits.waits_for_line:
                    await self._tokens.good()
                    await self._line.up(operation.message.over)
                await self._while_held()
            del self._open[operation.id]

    async def _while_held(self) -> None:
        if not self._held_until_s:
            return
        now_s = asyncio.get_running_loop().time
        while (left_s := self._held_until_s - now_s()) > 0:  # noqa: ASYNC110 - a time is waited out, no condition
            await asyncio.sleep(left_s)

    async def _attempt(self, operation: _Operation) -> int | None:
        """Try once; return the milliseconds to wait before the next attempt, None when the message is settled."""
        session = self._line.way(operation.message.over)
        credential = session.credential if session else None
        operation.attempt += 1
        if operation.attempt > 1:
            operation.message = self._habits.again(operation.first, operation.attempt)
        self._record_start(operation, session)
        outcome = await self._send(operation, session)
        if isinstance(outcome, Accepted):
            self._record_accepted(operation, outcome, session)
            return None
        final = isinstance(outcome, Refused) and is_final(outcome.http_status)
        operation.doubtful |= isinstance(outcome, Unknown)
        self._record_failure(operation, outcome, final=final)
        if final:
            return None
        self._hold(operation, outcome)
        if session is not None and operation.message.over == "websocket" and _broken(outcome):
            await self._line.drop(session, outcome.error_code)
        if credential is not None and outcome.http_status == UNAUTHORISED:
            return await self._renew(operation, outcome, credential)
        return self._schedule(operation, outcome)

    async def _renew(self, operation: _Operation, outcome: Refused | Unknown, credential: str) -> int:
        """Have the token replaced; the first resend follows at once, later ones like after any other failure."""
        facts = {"http_status": outcome.http_status, "op": operation.id, "attempt": operation.attempt}
        self._tokens.refused(credential, outcome.error_code, **facts)
        if operation.resent_for_token:
            return self._schedule(operation, outcome)
        operation.resent_for_token = True
        await self._tokens.good()
        self._record_schedule(operation, 0, detail={"after": "token"})
        return 0

    def _hold(self, operation: _Operation, outcome: Refused | Unknown) -> None:
        """Let nothing leave this device for as long as the service has asked for."""
        if outcome.http_status == LIMITED:
            self._recorder.record(
                "rate_limited",
                attempt=operation.attempt,
                http_status=LIMITED,
                retry_after_ms=outcome.retry_after_ms,
                **self._common(operation),
            )
        wait_s = self._habits.heeded_ms(outcome.retry_after_ms) / 1000
        self._held_until_s = max(self._held_until_s, asyncio.get_running_loop().time() + wait_s)

    async def _send(self, operation: _Operation, session: Session | None) -> Accepted | Refused | Unknown:
        if session is None:
            return NOT_CONNECTED
        operation.in_flight = True
        try:
            with self._ack_limit:
                outcome = await session.send(operation.message, attempt=operation.attempt)
        except TimeoutError:
            outcome = ACK_TIMEOUT
        operation.in_flight = False  # stays set when cancelled: that answer will never be known
        return outcome

    def _schedule(self, operation: _Operation, outcome: Refused | Unknown) -> int:
        backoff_ms = self._habits.backoff_ms(operation.attempt, draw=self._rng.random())
        delay_ms = backoff_ms + self._habits.heeded_ms(outcome.retry_after_ms)
        self._record_schedule(operation, delay_ms, retry_after_ms=outcome.retry_after_ms)
        return delay_ms

    def _record_schedule(self, operation: _Operation, delay_ms: int, **facts: Any) -> None:
        self._recorder.record(
            "client_retry_scheduled",
            attempt=operation.attempt + 1,
            delay_ms=delay_ms,
            **facts,
            **self._common(operation),
        )

    def _record_start(self, operation: _Operation, session: Session | None) -> None:
        message = operation.message
        self._recorder.record(
            "client_send_started",
            op=operation.id,
            client_message_id=message.client_message_id,
            conversation_id=message.conversation_id,
            sender=self._device.person,
            recipient=message.recipient,
            device=self._device.id,
            link=self._link,
            attempt=operation.attempt,
            connection=_connection(operation, session),
            credential_ref=self._reference(session.credential) if session else None,
            intended_ns=operation.intended_ns,
            client_time_ns=message.client_time_ns,
            body_digest=body_digest(self._key, message.body),
            detail=None if message.over == "websocket" else {"over": message.over},
        )

    def _reference(self, credential: str) -> str:
        if self._shown[0] != credential:
            self._shown = credential, secret_ref(self._key, credential)
        return self._shown[1]

    def _record_accepted(self, operation: _Operation, answer: Accepted, session: Session | None) -> None:
        message = operation.message
        self._recorder.record(
            "server_accepted",
            op=operation.id,
            client_message_id=message.client_message_id,
            conversation_id=answer.conversation_id,
            sender=self._device.person,
            recipient=message.recipient,
            device=self._device.id,
            link=self._link,
            attempt=operation.attempt,
            outcome="ok",
            connection=_connection(operation, session),
            message_id=answer.message_id,
            conversation_seq=answer.conversation_seq,
            server_time_ns=answer.server_time_ns,
            request_id=answer.request_id,
        )
        if self._habits.delivered_when_accepted:
            self._record_claim(operation, answer)

    def _record_claim(self, operation: _Operation, answer: Accepted) -> None:
        """What the app shows its user is what the user believes, whether or not a receipt ever came."""
        self._recorder.record(
            "delivery_receipt_received",
            device=self._device.id,
            message_id=answer.message_id,
            conversation_id=answer.conversation_id,
            sender=operation.message.recipient,
            detail={"claimed": True},
        )

    def _record_failure(self, operation: _Operation, outcome: Refused | Unknown, *, final: bool) -> None:
        self._recorder.record(
            "client_send_failed",
            attempt=operation.attempt or None,
            outcome="fail" if isinstance(outcome, Refused) else "unknown",
            error_code=outcome.error_code,
            http_status=outcome.http_status,
            retry_after_ms=outcome.retry_after_ms,
            detail={"final": True} if final else None,
            **self._common(operation),
        )

    def _common(self, operation: _Operation) -> dict[str, Any]:
        message = operation.message
        return {
            "op": operation.id,
            "client_message_id": message.client_message_id,
            "conversation_id": message.conversation_id,
            "sender": self._device.person,
            "recipient": message.recipient,
            "device": self._device.id,
            "link": self._link,
        }


def _connection(operation: _Operation, session: Session | None) -> str | None:
    """The live connection that carried an attempt; a send over HTTP has one of its own."""
    return session.connection if session and operation.message.over == "websocket" else None


def _broken(outcome: Refused | Unknown) -> bool:
    """Tell whether a correct client stops trusting the connection: no answer at all, or no valid login."""
    if isinstance(outcome, Unknown):
        return outcome.http_status is None
    return outcome.http_status == UNAUTHORISED
