"""The gate that a crowd dials through."""

from __future__ import annotations

import asyncio

import pytest

from harness.swarm.turnstile import Turnstile
from harness.testing.virtual_time import run_virtual


async def _through(gate: Turnstile, stay_s: float, entered: list[float]) -> None:
    async with gate:
        entered.append(round(asyncio.get_running_loop().time(), 3))
        await asyncio.sleep(stay_s)


def test_dials_are_spread_over_time() -> None:
    """Ten a second, however many come at once; time that nobody used is not made up for."""
    entered: list[float] = []

    async def scene() -> None:
        gate = Turnstile(at_once=64, per_s=10)
        await asyncio.gather(*(_through(gate, 0.0, entered) for _ in range(3)))
        await asyncio.sleep(5.0)
        await asyncio.gather(*(_through(gate, 0.0, entered) for _ in range(3)))

    run_virtual(scene())
    assert entered == [0.0, 0.1, 0.2, 5.2, 5.3, 5.4]


def test_dials_that_take_long_keep_others_out() -> None:
    """Two at once, each for a second: the third has to wait."""
    entered: list[float] = []

    async def scene() -> None:
        gate = Turnstile(at_once=2, per_s=10)
        await asyncio.gather(*(_through(gate, 1.0, entered) for _ in range(3)))

    run_virtual(scene())
    assert entered == [0.0, 0.1, 1.0]


@pytest.mark.parametrize("stay_s", [0.1, 0.9], ids=["while it waits for its turn", "while it waits for room"])
def test_who_is_called_off_takes_no_room(stay_s: float) -> None:
    """A device that leaves while it waits for its dial lets the next one in."""
    entered: list[float] = []

    async def scene() -> None:
        gate = Turnstile(at_once=1, per_s=1)
        first = asyncio.create_task(_through(gate, stay_s, entered))
        second = asyncio.create_task(_through(gate, 0.0, entered))
        await asyncio.sleep(0.5)
        second.cancel()
        await asyncio.wait([first, second])
        await _through(gate, 0.0, entered)

    run_virtual(scene())
    assert len(entered) == 2
