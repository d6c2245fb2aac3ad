"""Time limits of waits that come by the thousand, at the price of one timer for all that have the same limit."""

from __future__ import annotations

import asyncio
from itertools import takewhile
from types import TracebackType
from typing import Any


class TimeLimit:
    """``with limit:`` ends a wait that takes longer than ``seconds``, as ``asyncio.timeout`` does: by ``TimeoutError``.

    One event loop, and one such wait of a task at a time. Most waits end long before. With a timer of its own for each,
    thousands of cancelled timers lie in the loop's heap at any time, which costs a sixth of all that is done for a
    message.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[asyncio.Task[Any] | None, float] = {}
        """Who waits, and until when; the limit is the same for all, so the first to come is the first to be late."""
        self._late: dict[asyncio.Task[Any] | None, int] = {}
        """Who was ended, and how often others had wanted to cancel it before."""
        self._timed = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        due = self._due[asyncio.current_task()] = loop.time() + self._seconds
        if not self._timed:
            self._timed = True
            loop.call_at(due, self._look, due)

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, _: TracebackType | None
    ) -> None:
        task = asyncio.current_task()
        if self._due.pop(task, None) is not None or task is None:
            return
        others = self._late.pop(task)
        if task.uncancel() <= others and kind is asyncio.CancelledError:
            raise TimeoutError from problem

    def _look(self, now: float) -> None:
        """End what is late by ``now``, for which this was called, and look again when the next one is due."""
        for task, _ in list(takewhile(lambda each: each[1] <= now, self._due.items())):
            del self._due[task]
            if task is not None:
                self._late[task] = task.cancelling()
                task.cancel()
        following = next(iter(self._due.values()), None)
        self._timed = following is not None
        if following is not None:
            asyncio.get_running_loop().call_at(following, self._look, following)


class Limits:
    """The limits that are in use, by their seconds."""

    def __init__(self) -> None:
        self._known: dict[float, TimeLimit] = {}

    def of(self, seconds: float) -> TimeLimit:
        """Return the one limit of so many seconds."""
        return self._known.setdefault(seconds, TimeLimit(seconds))
