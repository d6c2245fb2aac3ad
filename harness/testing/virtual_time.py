"""An event loop whose clock jumps to the next timer instead of waiting for it.

For tests of drivers and client behaviours: minutes of back-off pass in milliseconds, in the same order every time.
Real sockets work on such a loop, but time passes only when nothing is ready.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
NS_PER_S = 1_000_000_000


class _JumpingSelector(selectors.DefaultSelector):
    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("nothing is scheduled and nothing is ready: the code under test would wait for ever")
        self.skipped_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that starts at second 0 and never sleeps."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds that timers have consumed so far."""
        return self._jumping.skipped_s


@dataclass(frozen=True, slots=True)
class VirtualClock:
    """The ``Clock`` of the running virtual loop, with its wall clock starting at the epoch."""

    def mono_ns(self) -> int:
        """Nanoseconds on the running loop."""
        return round(asyncio.get_running_loop().time() * NS_PER_S)

    def wall_ns(self) -> int:
        """The same, as a wall clock."""
        return self.mono_ns()


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time; raises ``RuntimeError`` where it would wait for ever."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
