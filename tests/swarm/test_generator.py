"""What is due leaves on time, and what is late leaves soon without keeping the others from being served."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from harness.swarm.generator import IN_A_ROW, Generator, Lag
from harness.testing.virtual_time import VirtualClock, run_virtual


@dataclass(frozen=True, slots=True)
class Item:
    """Something that is due."""

    due_s: float


def test_each_leaves_when_it_is_due() -> None:
    """To the nanosecond of its timetable; nothing is late."""
    posted: list[tuple[float, int]] = []
    lag = Lag()

    async def scene() -> None:
        plan = [Item(0.25), Item(0.5), Item(2.0)]
        await Generator(
            plan, lambda item, due_ns: posted.append((item.due_s, due_ns)), clock=VirtualClock(), lag=lag
        ).play()
        assert asyncio.get_running_loop().time() == 2.0

    run_virtual(scene())
    assert posted == [(0.25, 250_000_000), (0.5, 500_000_000), (2.0, 2_000_000_000)]
    assert lag.worst_ms == 0.0


def test_what_is_late_leaves_in_few_rounds_of_the_loop() -> None:
    """Several at once, or a loop that is busy would let one go a round; and the others get their turns in between."""
    rounds = 0
    clock = _Late()

    async def others() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async def scene() -> None:
        serving = asyncio.create_task(others())
        await Generator([Item(0.0)] * (10 * IN_A_ROW), lambda *_: None, clock=clock, lag=Lag()).play()
        serving.cancel()

    asyncio.run(scene())
    assert 9 <= rounds <= 11


class _Late:
    """A clock that was read once in time, and a second too late ever after."""

    def __init__(self) -> None:
        self._began_ns = time.monotonic_ns()
        self._reads = 0

    def mono_ns(self) -> int:
        self._reads += 1
        return self._began_ns + (0 if self._reads == 1 else 1_000_000_000)

    def wall_ns(self) -> int:
        return self.mono_ns()
