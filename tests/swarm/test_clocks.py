"""Clocks of single devices."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from harness.core.errors import EnvironmentFault
from harness.swarm.clocks import DeviceClock
from harness.swarm.control import SwarmClient
from harness.testing.reference_chat import ReferenceChat
from harness.testing.virtual_time import VirtualClock, run_virtual


def test_only_the_wall_clock_is_moved() -> None:
    """What is compared stays right on a device whose owner has set the date by hand."""

    async def scene() -> tuple[int, int]:
        await asyncio.sleep(5)
        clock = DeviceClock(VirtualClock())
        clock.offset_s = -2.5
        return clock.mono_ns(), clock.wall_ns()

    assert run_virtual(scene()) == (5_000_000_000, 2_500_000_000)


def test_a_wrong_clock_shows_in_what_its_device_claims_and_nowhere_else(
    chat: ReferenceChat, swarm: Any, cast: Any
) -> None:
    """The messages carry the device's time; the history's own times stay true."""

    async def engine() -> float:
        async with asyncio.timeout(20):
            client = await SwarmClient.over(swarm.control)
            await client.configure(cast(chat.url).config())
            await client.provision(10)
            await client.set_clock("alice/phone", -300.0)
            read_back = await client.clock("alice/phone")
            assert await client.clock("bob/phone") == 0.0
            with pytest.raises(EnvironmentFault, match="nobody has the device 'eve/phone'"):
                await client.set_clock("eve/phone", 1.0)
            await client.begin()
            await asyncio.sleep(0.4)
            await client.stop()
            return read_back

    assert asyncio.run(engine()) == -300.0
    assert swarm.wait() == 0
    sends = [line for line in swarm.events() if line["event"] == "client_send_started"]
    assert sends
    for line in sends:
        assert abs(line["wall_ns"] - time.time_ns()) < 60_000_000_000
        assert 299e9 < line["wall_ns"] - line["client_time_ns"] < 301e9
