"""When nothing comes: a black hole is noticed by nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Silence:
    """Asks for a sign of life when nothing has come for a while, and gives up when nothing comes then either.

    There is one timer a while, and none for each of the many things that come.
    """

    def __init__(self, after_s: float, patience_s: float, ask: Callable[[], None], give_up: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._after_s = after_s
        self._patience_s = patience_s
        self._ask = ask
        self._give_up = give_up
        self._asked = False
        self._heard_s = self._loop.time()
        self._timer = self._loop.call_later(after_s, self._look)

    def heard(self) -> None:
        """Take note that something came."""
        self._heard_s = self._loop.time()
        if self._asked:
            self._asked = False
            self._again(self._after_s)

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look(self) -> None:
        if self._asked:
            self._give_up()
            return
        left_s = self._heard_s + self._after_s - self._loop.time()
        self._asked = left_s <= 0
        self._again(self._patience_s if self._asked else left_s)
        if self._asked:
            self._ask()

    def _again(self, in_s: float) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(in_s, self._look)
