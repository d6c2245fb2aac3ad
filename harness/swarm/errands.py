"""What a device asks of the service besides sending: pursued until it is done or certainly refused."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from harness.core.retry import RetryPolicy, is_final
from harness.drivers.api import Refused, Session, Unknown
from harness.drivers.outbox import Line
from harness.drivers.tokens import UNAUTHORISED, Tokens

REQUEST_LIMIT_S = 2.5
AGAIN = RetryPolicy(base_ms=100, cap_ms=2000, floor_ms=50)

T = TypeVar("T")
Ask = Callable[[Session], Awaitable[T | Refused | Unknown]]


class Errands:
    """Requests of one device whose repetition does no harm."""

    def __init__(self, line: Line, tokens: Tokens, *, rng: random.Random) -> None:
        self._line = line
        self._tokens = tokens
        self._rng = rng

    async def run(self, ask: Ask[T]) -> T | Refused:
        """Ask again and again until there is an answer; a refusal that will not change is one."""
        attempt = 0
        while True:
            await self._tokens.good()
            session = await self._line.up("http")
            credential = session.credential
            outcome = await _within(ask(session))
            if isinstance(outcome, Refused) and is_final(outcome.http_status):
                return outcome
            if not isinstance(outcome, Refused | Unknown):
                return outcome
            if outcome.http_status == UNAUTHORISED:
                self._tokens.refused(credential, outcome.error_code, http_status=UNAUTHORISED)
            attempt += 1
            pause_ms = AGAIN.delay_ms(attempt, draw=self._rng.random(), retry_after_ms=outcome.retry_after_ms)
            await asyncio.sleep(pause_ms / 1000)


async def _within(request: Awaitable[T | Refused | Unknown]) -> T | Refused | Unknown:
    try:
        async with asyncio.timeout(REQUEST_LIMIT_S):
            return await request
    except TimeoutError:
        return Unknown("timeout")
