"""Keeps one device connected: dials, serves the live session, and dials again with growing waits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from harness.core.clock import Clock
from harness.core.digests import secret_ref
from harness.core.retry import RetryPolicy
from harness.drivers.api import Account, Closed, Device, Driver, Endpoint, Refused, Session, Unknown
from harness.drivers.outbox import UNAUTHORISED, Spawn
from harness.history.recorder import Recorder

REDIAL = RetryPolicy(base_ms=100, cap_ms=2000, floor_ms=50)
DIAL_LIMIT_S = 2.5
"""A dial that a black hole swallowed stays dead after healing: waiting longer would only delay the way back."""
STABLE_S = 1.0
"""A session that lived this long proves the way good: the next loss is the first again."""

Serve = Callable[[Session], Awaitable[Closed]]


class Connection:
    """The live session of one device, or the endeavour to get one. ``serve`` handles a session until it ends."""

    def __init__(
        self,
        driver: Driver,
        account: Account,
        device: Device,
        at: Endpoint,
        *,
        link: str,
        recorder: Recorder,
        key: bytes,
        rng: random.Random,
        clock: Clock,
        spawn: Spawn,
        serve: Serve,
    ) -> None:
        self._driver = driver
        self._account = account
        self._device = device
        self._at = at
        self._link = link
        self._recorder = recorder
        self._key = key
        self._rng = rng
        self._clock = clock
        self._spawn = spawn
        self._serve = serve
        self._task: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._up = asyncio.Event()
        self._drop_reason: str | None = None
        self.last_error = "not yet tried"

    @property
    def session(self) -> Session | None:
        """The live session, or None while there is none."""
        return self._session

    async def up(self) -> Session:
        """Wait for a live session."""
        while self._session is None:
            await self._up.wait()
        return self._session

    async def drop(self, session: Session, reason: str) -> None:
        """Vanish from a session that is held to be broken; another is dialled."""
        if self._session is session:
            self._forget()
            self._drop_reason = reason
            await session.close(abrupt=True)

    def start(self) -> None:
        """Begin to connect; harmless when it has begun."""
        if self._task is None:
            self._task = self._spawn(self._stay_connected())

    async def stop(self) -> None:
        """Leave: close the session with a goodbye and dial no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            retry_after_ms = None
            outcome = await self._dial()
            if isinstance(outcome, Refused | Unknown):
                failures += 1
                retry_after_ms = outcome.retry_after_ms
                self._record_failed_dial(outcome)
            else:
                failures = 1 if await self._hold(outcome) > STABLE_S else failures + 1
            await asyncio.sleep(
                REDIAL.delay_ms(failures, draw=self._rng.random(), retry_after_ms=retry_after_ms) / 1000
            )

    async def _dial(self) -> Session | Refused | Unknown:
        try:
            async with asyncio.timeout(DIAL_LIMIT_S):
                return await self._driver.connect(self._account, self._device, self._at, clock=self._clock)
        except TimeoutError:
            return Unknown("connect_timeout")

    async def _hold(self, session: Session) -> float:
        """Serve a session to its end; return the seconds it lived."""
        loop = asyncio.get_running_loop()
        opened = loop.time()
        self._record_opened(session)
        self._session, self._drop_reason = session, None
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
        reference = secret_ref(self._key, session.credential)
        self._recorder.record(
            "token_issued", device=self._device.id, credential_ref=reference, connection=session.connection
        )
        self._recorder.record(
            "connection_opened", device=self._device.id, connection=session.connection, link=self._link
        )

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

    def _record_failed_dial(self, outcome: Refused | Unknown) -> None:
        self.last_error = outcome.error_code
        facts: dict[str, Any] = {"device": self._device.id, "link": self._link, "error_code": outcome.error_code}
        if outcome.http_status == UNAUTHORISED:
            self._recorder.record("token_rejected", http_status=UNAUTHORISED, **facts)
        self._recorder.record(
            "connection_lost",
            http_status=outcome.http_status,
            retry_after_ms=outcome.retry_after_ms,
            detail={"clean": False},
            **facts,
        )


def _error_code(closed: Closed) -> str:
    return closed.reason or (f"close_{closed.code}" if closed.code is not None else "connection_lost")
