"""Clocks that are wrong: a device's own, or a service's. Only wall clocks move; monotonic time is never touched."""

from __future__ import annotations

import asyncio
import time

from harness.core.plan import FaultPlan
from harness.faults.api import EndsWithTheRun, Evidence, FaultKind, Param, ReadBack, World
from harness.faults.toxic import number
from harness.stacks.api import ControlUnavailable

SEEN_WITHIN_S = 2.0
"""libfaketime looks at its file about every second."""
LOOK_EVERY_S = 0.05
TOLERANCE_S = 1.0
"""A measured clock may be off by the time that asking took."""
_OFFSET = {"offset": Param("offset", "how far the clock is off: +1h is fast, -5m is slow", required=True)}


class DeviceClock(EndsWithTheRun):
    """One device believes in another time."""

    def __init__(self, plan: FaultPlan, world: World) -> None:
        self.plan = plan
        self._people = world.people

    async def apply(self) -> Evidence:
        """Move the clock."""
        await self._people.set_clock(self.plan.target, number(self.plan, "offset"))
        return {"offset_s": number(self.plan, "offset")}

    async def installed(self) -> ReadBack:
        """Read the device's clock back."""
        return await self._off_by(number(self.plan, "offset"))

    async def undo(self) -> Evidence:
        """Set it right."""
        await self._people.set_clock(self.plan.target, 0.0)
        return {}

    async def healed(self) -> ReadBack:
        """Read the device's clock back."""
        return await self._off_by(0.0)

    async def _off_by(self, offset_s: float) -> ReadBack:
        found = await self._people.clock(self.plan.target)
        return ReadBack(abs(found - offset_s) < TOLERANCE_S, {"measured_s": round(found, 3)})


class ServerClock(EndsWithTheRun):
    """A service believes in another time, from one moment to the next and while it runs."""

    def __init__(self, plan: FaultPlan, world: World) -> None:
        self.plan = plan
        self._stack = world.stack

    async def apply(self) -> Evidence:
        """Move the clock."""
        await self._stack.set_clock(self.plan.target, number(self.plan, "offset"))
        return {"offset_s": number(self.plan, "offset")}

    async def installed(self) -> ReadBack:
        """Ask the service for its time and compare."""
        return await self._off_by(number(self.plan, "offset"))

    async def undo(self) -> Evidence:
        """Set it right."""
        await self._stack.set_clock(self.plan.target, 0.0)
        return {}

    async def healed(self) -> ReadBack:
        """Ask the service for its time and compare."""
        return await self._off_by(0.0)

    async def _off_by(self, offset_s: float) -> ReadBack:
        deadline = asyncio.get_running_loop().time() + SEEN_WITHIN_S
        while abs((found := await self._measured()) - offset_s) >= TOLERANCE_S:
            if asyncio.get_running_loop().time() >= deadline:
                return ReadBack(holds=False, evidence={"measured_s": round(found, 3)})
            await asyncio.sleep(LOOK_EVERY_S)
        return ReadBack(holds=True, evidence={"measured_s": round(found, 3)})

    async def _measured(self) -> float:
        control = self._stack.control
        if control is None:
            raise ControlUnavailable("the stack has no control port to measure the service's clock by")
        asked_ns = time.time_ns()
        return (await control.wall_ns() - asked_ns) / 1e9


KINDS = (
    FaultKind(
        kind="clock.device",
        summary="a device's wall clock is wrong",
        colour="#16a085",
        targets="device",
        make=DeviceClock,
        params=_OFFSET,
        stamps="client_time_ns",
    ),
    FaultKind(
        kind="clock.server",
        summary="a service's wall clock jumps while it runs (libfaketime)",
        colour="#16a085",
        targets="service",
        make=ServerClock,
        params=_OFFSET,
        stamps="server_time_ns",
        needs=("server_clock",),
    ),
)
