"""Keeps one device connected: dials, serves the live session, and dials again with growing waits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from harness.core.clock import Clock
from harness.core.plan import Transport
from harness.core.retry import RetryPolicy
from harness.drivers.api import (
    Account,
    Closed,
    Credential,
    Device,
    Driver,
    Endpoint,
    Refused,
    Resumption,
    Session,
    TokenRejected,
    Unknown,
)
from harness.drivers.tokens import OPEN, UNAUTHORISED, Gate, Spawn, Tokens
from harness.history.recorder import Recorder

REDIAL = RetryPolicy(base_ms=100, cap_ms=2000, floor_ms=50)
DIAL_LIMIT_S = 2.5
"""A dial that a black hole swallowed stays dead after healing: waiting longer would only delay the way back."""
STABLE_S = 1.0
"""A session that lived this long proves the way good: the next loss is the first again."""

Serve = Callable[[Session], Awaitable[Closed]]


class Connection:
    """The live session of one device, or the endeavour to get one. ``serve`` handles a session until it ends.

    ``gate`` lets through as many dials at once as the process that plays the device can do in time.
    """

    def __init__(
        self,
        driver: Driver,
        account: Account,
        device: Device,
        at: Endpoint,
        tokens: Tokens,
        *,
        link: str,
        recorder: Recorder,
        rng: random.Random,
        clock: Clock,
        spawn: Spawn,
        serve: Serve,
        gate: Gate = OPEN,
    ) -> None:
        self._driver = driver
        self._account = account
        self._device = device
        self._at = at
        self._tokens = tokens
        self._link = link
        self._recorder = recorder
        self._rng = rng
        self._clock = clock
        self._spawn = spawn
        self._serve = serve
        self._gate = gate
        self._task: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._latest: Session | None = None
        self._opened_with = ""
        self._up = asyncio.Event()
        self._drop_reason: str | None = None
        self.last_error = "not yet tried"

    def way(self, over: Transport) -> Session | None:
        """The live session; for a message over HTTP the latest one, live or not, as long as its token is good."""
        if over == "websocket":
            return self._session
        return self._latest if self._latest and self._tokens.shows(self._latest.credential) else None

    async def up(self, over: Transport = "websocket") -> Session:
        """Wait for a session that can carry such a message."""
        while (session := self.way(over)) is None:
            if self._session is not None:
                # Alive, but its token was given up: only another connection has the new one.
                await self.drop(self._session, "token_replaced")
            await self._up.wait()
        return session

    async def drop(self, session: Session, reason: str) -> None:
        """Vanish from a session that is held to be broken; another is dialled."""
        if self._session is session:
            self._forget()
            self._drop_reason = reason
            await session.close(abrupt=True)

    def rejected(self, session: Session, rejection: TokenRejected) -> None:
        """Take note that the service ended the live session for its token: the one it was opened with."""
        self._tokens.refused(self._opened_with, rejection.error_code, connection=session.connection, link=self._link)

    def start(self) -> None:
        """Begin to connect; harmless when it has begun."""
        if self._task is None:
            self._tokens.start()
            self._task = self._spawn(self._stay_connected())

    async def stop(self) -> None:
        """Leave: close the session with a goodbye and dial no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._latest = None
        await self._tokens.stop()

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            retry_after_ms = None
            credential = await self._tokens.good()
            async with self._gate:
                outcome = await self._dial(credential)
            if isinstance(outcome, Refused | Unknown):
                failures += 1
                retry_after_ms = outcome.retry_after_ms
                self._note_failed_dial(outcome, credential)
            else:
                failures = 1 if await self._hold(outcome) > STABLE_S else failures + 1
            await asyncio.sleep(
                REDIAL.delay_ms(failures, draw=self._rng.random(), retry_after_ms=retry_after_ms) / 1000
            )

    async def _dial(self, credential: Credential) -> Session | Refused | Unknown:
        try:
            async with asyncio.timeout(DIAL_LIMIT_S):
                return await self._driver.connect(
                    self._account, self._device, self._at, clock=self._clock, credential=credential
                )
        except TimeoutError:
            return Unknown("connect_timeout")

    async def _hold(self, session: Session) -> float:
        """Serve a session to its end; return the seconds it lived."""
        loop = asyncio.get_running_loop()
        opened = loop.time()
        self._record_opened(session)
        self._session = self._latest = session
        self._opened_with, self._drop_reason = session.credential, None
        self._tokens.opened(session)
        self._up.set()
        try:
            closed = await self._serve(session)
        except asyncio.CancelledError:
            self._forget()
            with suppress(asyncio.CancelledError):
                await session.close()
            self._record_lost(session, "left", clean=True)
            raise
        self._forget()
        self._record_lost(session, self._reason(closed), clean=closed.clean)
        return loop.time() - opened

    def _reason(self, closed: Closed) -> str:
        return self._drop_reason or _error_code(closed)

    def _forget(self) -> None:
        self._session = None
        self._up.clear()

    def _record_opened(self, session: Session) -> None:
        resumed = isinstance(session, Resumption) and session.resumed
        for event in ("connection_opened", *(["connection_resumed"] if resumed else [])):
            self._recorder.record(event, device=self._device.id, connection=session.connection, link=self._link)

    def _record_lost(self, session: Session, error_code: str, *, clean: bool) -> None:
        self.last_error = error_code
        self._recorder.record(
            "connection_lost",
            device=self._device.id,
            connection=session.connection,
            link=self._link,
            error_code=error_code,
            detail={"clean": clean},
        )

    def _note_failed_dial(self, outcome: Refused | Unknown, credential: Credential) -> None:
        self.last_error = outcome.error_code
        if outcome.http_status == UNAUTHORISED:
            self._tokens.refused(credential.token, outcome.error_code, http_status=UNAUTHORISED, link=self._link)
        self._recorder.record(
            "connection_lost",
            device=self._device.id,
            link=self._link,
            error_code=outcome.error_code,
            http_status=outcome.http_status,
            retry_after_ms=outcome.retry_after_ms,
            detail={"clean": False},
        )


def _error_code(closed: Closed) -> str:
    return closed.reason or (f"close_{closed.code}" if closed.code is not None else "connection_lost")
