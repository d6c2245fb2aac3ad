"""The credential of one device: got once, refreshed when the service refuses it, by one refresh for all that wait.

Nothing is refreshed ahead of time: an app that is put to sleep cannot do it either, and an expiry that is always
anticipated tests nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeVar

from harness.core.digests import secret_ref
from harness.core.retry import RetryPolicy, is_final
from harness.drivers.api import Credential, Device, Refreshed, Refused, Session, Unknown
from harness.drivers.habits import CORRECT, Habits
from harness.history.recorder import Recorder

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
T = TypeVar("T")
Gate = AbstractAsyncContextManager[object]
"""Entered for the time of one request."""
OPEN: Gate = nullcontext()
Login = Callable[[], Awaitable[Credential | Refused | Unknown]]

REQUEST_LIMIT_S = 2.5
"""A request that a black hole swallowed stays dead after healing: waiting longer would only delay the way back."""
AGAIN = RetryPolicy(base_ms=100, cap_ms=2000, floor_ms=50)
EXPIRED = "token_expired"
UNAUTHORISED = 401


class Tokens:
    """Keeps one device in possession of a credential; ``link`` is the one that logins and refreshes go over."""

    def __init__(
        self,
        device: Device,
        login: Login,
        recorder: Recorder,
        *,
        link: str,
        key: bytes,
        rng: random.Random,
        spawn: Spawn,
        habits: Habits = CORRECT,
        gate: Gate = OPEN,
    ) -> None:
        self.last_error = ""
        """Why the latest request for a credential failed; empty after one that did not."""
        self._device = device
        self._login = login
        self._recorder = recorder
        self._link = link
        self._key = key
        self._rng = rng
        self._spawn = spawn
        self._habits = habits
        self._gate = gate
        self._credential: Credential | None = None
        self._refused = False
        self._session: Session | None = None
        self._usable = asyncio.Event()
        self._wanted = False
        self._renewal: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Allow requests: the device is online."""
        self._wanted = True

    async def stop(self) -> None:
        """Make no more requests until ``start``; whoever waits for a credential goes on waiting."""
        self._wanted = False
        renewal, self._renewal = self._renewal, None
        if renewal is not None:
            renewal.cancel()
            await asyncio.wait([renewal])

    def opened(self, session: Session) -> None:
        """Refresh by this session from now on."""
        self._session = session

    def shows(self, token: str) -> bool:
        """Tell whether a request may show that token: it is the one in use, and nobody has refused it."""
        heeded = self._refused and self._habits.shares_refresh
        return self._holds(token) and not heeded

    def _holds(self, token: str) -> bool:
        return self._credential is not None and self._credential.token == token

    def refused(self, token: str, error_code: str, **facts: Any) -> None:
        """Take note that the service refused ``token``; a token that was replaced meanwhile changes nothing."""
        event = "token_expired" if error_code == EXPIRED else "token_rejected"
        self._recorder.record(
            event,
            device=self._device.id,
            credential_ref=secret_ref(self._key, token),
            error_code=error_code,
            **facts,
        )
        if self._holds(token):
            self._refused = True
            self._usable.clear()

    async def good(self) -> Credential:
        """Wait for a credential that has not been refused, getting one where that is needed."""
        while self._credential is None or self._refused:
            if self._habits.shares_refresh or not self._wanted:
                self._renew_once_for_all()
                await self._usable.wait()
            else:
                await self._renew()
        return self._credential

    def _renew_once_for_all(self) -> None:
        if self._wanted and (self._renewal is None or self._renewal.done()):
            self._renewal = self._spawn(self._renew())

    async def _renew(self) -> None:
        attempt = 0
        while self._credential is None or self._refused:
            attempt += 1
            pause_ms = await self._try(attempt)
            if pause_ms is None:
                return
            await asyncio.sleep(pause_ms / 1000)

    async def _try(self, attempt: int) -> int | None:
        """Ask once; return the milliseconds to wait before asking again, None when there is a credential."""
        before, session = self._credential, self._session
        if before is None or session is None:
            outcome = await self._log_in()
        else:
            outcome = await self._refresh(before, session, attempt)
        if isinstance(outcome, Credential):
            self._take(outcome)
            return None
        self.last_error = outcome.error_code
        if before is not None and isinstance(outcome, Refused) and _hopeless(outcome) and self._holds(before.token):
            self._credential = None  # this device is logged out: only a new login helps, and that at once
            return 0
        return AGAIN.delay_ms(attempt, draw=self._rng.random(), retry_after_ms=outcome.retry_after_ms)

    def _take(self, credential: Credential) -> None:
        self.last_error = ""
        self._credential, self._refused = credential, False
        self._usable.set()

    async def _log_in(self) -> Credential | Refused | Unknown:
        async with self._gate:
            outcome = await _within(self._login())
        if isinstance(outcome, Credential):
            self._session = None  # it belongs to the log-in before and refreshes by that one's token
            self._record("token_issued", outcome, detail=_life(outcome))
        else:
            self._record_failed_login(outcome)
        return outcome

    async def _refresh(self, before: Credential, session: Session, attempt: int) -> Credential | Refused | Unknown:
        self._record("token_refresh_started", before, attempt=attempt)
        outcome = await _within(session.refresh())
        if isinstance(outcome, Refreshed):
            self._record("token_refreshed", outcome.credential, attempt=attempt, detail=_life(outcome.credential))
            return outcome.credential
        self._record(
            "token_refresh_failed",
            before,
            attempt=attempt,
            outcome="fail" if isinstance(outcome, Refused) else "unknown",
            error_code=outcome.error_code,
            http_status=outcome.http_status,
            retry_after_ms=outcome.retry_after_ms,
        )
        return outcome

    def _record(self, event: str, credential: Credential, **facts: Any) -> None:
        reference = secret_ref(self._key, credential.token)
        self._recorder.record(event, device=self._device.id, link=self._link, credential_ref=reference, **facts)

    def _record_failed_login(self, outcome: Refused | Unknown) -> None:
        common: dict[str, Any] = {"device": self._device.id, "link": self._link, "error_code": outcome.error_code}
        common["http_status"] = outcome.http_status
        if outcome.http_status == UNAUTHORISED:
            self._recorder.record("token_rejected", **common)
        self._recorder.record(
            "connection_lost", retry_after_ms=outcome.retry_after_ms, detail={"clean": False}, **common
        )


async def _within(request: Awaitable[T]) -> T | Unknown:
    try:
        async with asyncio.timeout(REQUEST_LIMIT_S):
            return await request
    except TimeoutError:
        return Unknown("timeout")


def _hopeless(outcome: Refused) -> bool:
    return outcome.http_status == UNAUTHORISED or is_final(outcome.http_status)


def _life(credential: Credential) -> dict[str, float] | None:
    return None if credential.expires_in_s is None else {"expires_in_s": credential.expires_in_s}
