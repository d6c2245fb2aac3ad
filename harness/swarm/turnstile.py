"""What spreads the dials of a crowd over time, so that they do not hold up whoever has a message to send."""

from __future__ import annotations

import asyncio


class Turnstile:
    """Asynchronous context manager that lets in ``at_once`` at a time and ``per_s`` a second, in order of arrival."""

    def __init__(self, *, at_once: int, per_s: float) -> None:
        self._room = asyncio.Semaphore(at_once)
        self._apart_s = 1 / per_s
        self._next = 0.0

    async def __aenter__(self) -> None:
        await self._room.acquire()
        now = asyncio.get_running_loop().time()
        turn, self._next = self._next, max(self._next, now) + self._apart_s
        try:
            if turn > now:
                await asyncio.sleep(turn - now)
        except asyncio.CancelledError:
            self._room.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._room.release()
