"""The correct client: what a good chat app does between the user's tap and the check mark.

Each message keeps one ``client_message_id`` over all its attempts. A conversation's next message leaves only after the
previous one was settled, which keeps the sender's order across retries. Every attempt is recorded here, below any
hiding of its outcome, because the server's defects show in single attempts.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from harness.core.digests import body_digest
from harness.core.retry import RetryPolicy, is_final
from harness.drivers.api import Accepted, Device, Outgoing, Refused, Session, Unknown
from harness.history.recorder import Recorder

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]

NOT_CONNECTED = Refused("not_connected")
ACK_TIMEOUT = Unknown("ack_timeout")
CORRECT = RetryPolicy()
UNAUTHORISED = 401


class Line(Protocol):
    """The device's connection as its outbox sees it."""

    @property
    def session(self) -> Session | None:
        """The live session, or None while there is none."""
        ...

    async def up(self) -> Session:
        """Wait for a live session."""
        ...

    async def drop(self, session: Session, reason: str) -> None:
        """Give a session up as broken, so that a new one is made."""
        ...


@dataclass(slots=True)
class _Operation:
    """One message on its way, with what is known of its attempts."""

    message: Outgoing
    intended_ns: int
    attempt: int = 0
    in_flight: bool = False
    doubtful: bool = False


class Outbox:
    """Sends one device's messages until each is acknowledged, finally refused or given up."""

    def __init__(
        self,
        device: Device,
        line: Line,
        recorder: Recorder,
        *,
        link: str,
        key: bytes,
        rng: random.Random,
        spawn: Spawn,
        policy: RetryPolicy = CORRECT,
    ) -> None:
        self._device = device
        self._line = line
        self._recorder = recorder
        self._link = link
        self._key = key
        self._rng = rng
        self._spawn = spawn
        self._policy = policy
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
        operation = _Operation(message, intended_ns)
        self._open[message.client_message_id] = operation
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
            while (delay_ms := await self._attempt(operation)) is not None:
                await asyncio.sleep(delay_ms / 1000)
                await self._line.up()
            del self._open[operation.message.client_message_id]

    async def _attempt(self, operation: _Operation) -> int | None:
        """Try once; return the milliseconds to wait before the next attempt, None when the message is settled."""
        session = self._line.session
        operation.attempt += 1
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
        delay_ms = self._schedule(operation, outcome)
        if session is not None and _broken(outcome):
            await self._line.drop(session, outcome.error_code)
        return delay_ms

    async def _send(self, operation: _Operation, session: Session | None) -> Accepted | Refused | Unknown:
        if session is None:
            return NOT_CONNECTED
        operation.in_flight = True
        try:
            async with asyncio.timeout(self._policy.ack_timeout_s):
                outcome = await session.send(operation.message, attempt=operation.attempt)
        except TimeoutError:
            outcome = ACK_TIMEOUT
        operation.in_flight = False  # stays set when cancelled: that answer will never be known
        return outcome

    def _schedule(self, operation: _Operation, outcome: Refused | Unknown) -> int:
        asked = outcome.retry_after_ms
        delay_ms = self._policy.delay_ms(operation.attempt, draw=self._rng.random(), retry_after_ms=asked)
        self._recorder.record(
            "client_retry_scheduled",
            attempt=operation.attempt + 1,
            delay_ms=delay_ms,
            retry_after_ms=asked,
            **self._common(operation),
        )
        return delay_ms

    def _record_start(self, operation: _Operation, session: Session | None) -> None:
        self._recorder.record(
            "client_send_started",
            attempt=operation.attempt,
            connection=session.connection if session else None,
            intended_ns=operation.intended_ns,
            client_time_ns=operation.message.client_time_ns,
            body_digest=body_digest(self._key, operation.message.body),
            **self._common(operation),
        )

    def _record_accepted(self, operation: _Operation, answer: Accepted, session: Session | None) -> None:
        common = self._common(operation) | {"conversation_id": answer.conversation_id}
        self._recorder.record(
            "server_accepted",
            attempt=operation.attempt,
            outcome="ok",
            connection=session.connection if session else None,
            message_id=answer.message_id,
            conversation_seq=answer.conversation_seq,
            server_time_ns=answer.server_time_ns,
            request_id=answer.request_id,
            **common,
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
            "op": message.client_message_id,
            "client_message_id": message.client_message_id,
            "conversation_id": message.conversation_id,
            "sender": self._device.person,
            "recipient": message.recipient,
            "device": self._device.id,
            "link": self._link,
        }


def _broken(outcome: Refused | Unknown) -> bool:
    """Tell whether a correct client stops trusting the connection: no answer at all, or no valid login."""
    if isinstance(outcome, Unknown):
        return outcome.http_status is None
    return outcome.http_status == UNAUTHORISED
