"""Disks of services: full, or without power, so that what was not synced is gone."""

from __future__ import annotations

import signal

from harness.core.plan import FaultPlan
from harness.faults.api import EndsWithTheRun, Evidence, FaultKind, Param, ReadBack, World
from harness.faults.process import EXIT_WITHIN_S, HEALTHY_WITHIN_S, RESTART_AFTER, ProcessFault
from harness.stacks.containment import containment

MEGABYTE = 1024 * 1024
ON_A_DISK = 192 * MEGABYTE
"""Of a service that loses its power; what it does not use costs nothing."""


class Full(EndsWithTheRun):
    """A service's data is on a small disk of its own, which is filled up to the last byte."""

    def __init__(self, plan: FaultPlan, world: World) -> None:
        self.plan = plan
        self._stack = world.stack
        self._containers = containment(world.stack)

    async def apply(self) -> Evidence:
        """Write until the disk takes nothing more."""
        found = await self._containers.disk(self.plan.target, "fill")
        return {"write_failed": ", ".join(sorted({str(one["error"]) for one in found}))}

    async def installed(self) -> ReadBack:
        """Read back that nothing is free."""
        free = await self._free()
        return ReadBack(free == 0, {"free_bytes": free})

    async def undo(self) -> Evidence:
        """Take away what filled it, and start again what has given up for it."""
        await self._containers.disk(self.plan.target, "drain")
        gave_up = not (await self._stack.state(self.plan.target)).running
        if gave_up:
            await self._stack.start(self.plan.target)
        return {"gave_up": gave_up}

    async def healed(self) -> ReadBack:
        """Read back that there is room, and that the service answers."""
        free = await self._free()
        healthy = await self._stack.healthy(self.plan.target, HEALTHY_WITHIN_S)
        return ReadBack(free > 0 and healthy, {"free_bytes": free, "healthy": healthy})

    async def _free(self) -> int:
        """Of the disk that has most."""
        return max(int(one["free_bytes"]) for one in await self._containers.disk(self.plan.target, "space"))


class PowerLoss(ProcessFault):
    """A service stops in mid-work and its disk keeps only what had been written out: what was synced, for certain."""

    async def apply(self) -> Evidence:
        """Freeze the service so that it says nothing after the cut, cut the power of its disk, and end it."""
        target = self.plan.target
        self._before = await self._stack.state(target)
        await self._stack.signal(target, signal.SIGSTOP)
        await containment(self._stack).disk(target, "cut")
        await self._stack.signal(target, signal.SIGKILL)
        return {"gone": await self._stack.wait_exit(target, EXIT_WITHIN_S)}

    async def undo(self) -> Evidence:
        """Start the service again, after its end if the cut had failed half-way, and wait until it answers."""
        now = await self._stack.state(self.plan.target)
        if self._before is not None and now.running and now.pid == self._before.pid:
            await self._stack.signal(self.plan.target, signal.SIGKILL)
            await self._stack.wait_exit(self.plan.target, EXIT_WITHIN_S)
        return await super().undo()

    async def installed(self) -> ReadBack:
        """Read back that it does not run, and that what the harness wrote beside its data is there only if synced."""
        ended = await super().installed()
        found = await containment(self._stack).disk(self.plan.target, "look")
        kept, lost = all(one["synced_kept"] for one in found), not any(one["unsynced_kept"] for one in found)
        return ReadBack(ended.holds and kept and lost, {**ended.evidence, "synced_kept": kept, "unsynced_lost": lost})


KINDS = (
    FaultKind(
        kind="storage.full",
        summary="the service's data is on a small disk that has no room left",
        colour="#6e2c00",
        targets="service",
        make=Full,
        params={"size": Param("size", "of the disk", default=128 * MEGABYTE, minimum=16 * MEGABYTE)},
    ),
    FaultKind(
        kind="process.power_loss",
        summary="the service's machine loses its power: what was not synced to its disk is gone; then it starts again",
        colour="#1b2631",
        targets="service",
        make=PowerLoss,
        params=RESTART_AFTER,
        duration="none",
    ),
)
