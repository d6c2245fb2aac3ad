"""Time limits that share a timer end a wait as a timer of its own would."""

from __future__ import annotations

import asyncio

import pytest

from harness.drivers.limits import Limits, TimeLimit
from harness.testing.virtual_time import run_virtual


async def _tried(limit: TimeLimit, after_s: float, takes_s: float) -> tuple[str, float]:
    await asyncio.sleep(after_s)
    try:
        with limit:
            outcome = await asyncio.sleep(takes_s, "came")
    except TimeoutError:
        outcome = "late"
    return outcome, round(asyncio.get_running_loop().time(), 6)


def test_each_wait_ends_at_its_own_time() -> None:
    """One that began later is late later, and what came in between is no matter."""

    async def scene() -> list[tuple[str, float]]:
        limit = TimeLimit(1.0)
        waits = [(0.0, 9.0), (0.25, 0.5), (0.5, 9.0), (0.75, 0.1), (5.0, 9.0)]
        return await asyncio.gather(*(_tried(limit, *wait) for wait in waits))

    assert run_virtual(scene()) == [("late", 1.0), ("came", 0.75), ("late", 1.5), ("came", 0.85), ("late", 6.0)]


def test_a_task_that_is_cancelled_is_cancelled() -> None:
    """From outside, before its time and in the same moment: no one takes that for a wait that was too long."""

    async def scene() -> None:
        limit = TimeLimit(1.0)
        early, late = (asyncio.create_task(_tried(limit, 0.0, 9.0)) for _ in range(2))
        await asyncio.sleep(0.5)
        early.cancel()
        asyncio.get_running_loop().call_at(1.0, late.cancel)
        for task in (early, late):
            with pytest.raises(asyncio.CancelledError):
                await task

    run_virtual(scene())


def test_what_comes_although_it_was_given_up_is_taken() -> None:
    """A wait that does not let itself be cancelled; nobody cancels what its task does next."""

    async def stubborn() -> str:
        try:
            return await asyncio.sleep(9.0, "never")
        except asyncio.CancelledError:
            return "all the same"

    async def scene() -> str:
        with TimeLimit(1.0):
            outcome = await stubborn()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(1.0)
        return outcome

    assert run_virtual(scene()) == "all the same"


def test_equal_limits_are_one() -> None:
    """Which is what makes them cheap."""
    limits = Limits()
    assert limits.of(5.0) is limits.of(5.0)
    assert limits.of(5.0) is not limits.of(2.5)
