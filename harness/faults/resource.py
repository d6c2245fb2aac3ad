"""Squeezed containers: too little processor, too little memory."""

from __future__ import annotations

from abc import abstractmethod

from harness.core.plan import FaultPlan
from harness.faults.api import EndsWithTheRun, Evidence, FaultKind, Param, ReadBack, World
from harness.faults.toxic import number
from harness.stacks.containment import Resources, containment

HEALTHY_WITHIN_S = 15.0
TOLERANCE = 0.005
"""Of a processor: the engine takes whole microseconds of a period."""


class Squeeze(EndsWithTheRun):
    """A service's containers may use less than they could have."""

    def __init__(self, plan: FaultPlan, world: World) -> None:
        self.plan = plan
        self._stack = world.stack
        self._containers = containment(world.stack)
        self._before = Resources(cpus=None, memory=None)

    @abstractmethod
    async def limit(self) -> None:
        """Set the limit."""

    @abstractmethod
    async def lift(self) -> None:
        """Take it back."""

    @abstractmethod
    def in_force(self, now: Resources) -> bool | None:
        """Whether the limit is what was asked for; None when there is none."""

    @abstractmethod
    def gained(self, before: Resources, now: Resources) -> Evidence:
        """What the kernel counted since the fault began."""

    async def apply(self) -> Evidence:
        """Set the limit."""
        self._before = await self._now()
        await self.limit()
        return {"used_bytes": self._before.used}

    async def installed(self) -> ReadBack:
        """Read the limit back from the engine."""
        now = await self._now()
        return ReadBack(self.in_force(now) is True, _limits(now))

    async def undo(self) -> Evidence:
        """Count what came of it, take it back, and start again what was killed for want of memory."""
        felt = self.gained(self._before, await self._now())
        await self.lift()
        if not (await self._stack.state(self.plan.target)).running:
            await self._stack.start(self.plan.target)
        return felt

    async def healed(self) -> ReadBack:
        """Read back that there is no limit, and that the service answers."""
        now = await self._now()
        healthy = await self._stack.healthy(self.plan.target, HEALTHY_WITHIN_S)
        return ReadBack(self.in_force(now) is None and healthy, {**_limits(now), "healthy": healthy})

    async def _now(self) -> Resources:
        return await self._containers.resources(self.plan.target)


class Cpu(Squeeze):
    """Each container gets a part of one processor and waits for the rest of each tenth of a second."""

    async def limit(self) -> None:
        """Set the limit."""
        await self._containers.limit_cpus(self.plan.target, number(self.plan, "cpus"))

    async def lift(self) -> None:
        """Take it back."""
        await self._containers.limit_cpus(self.plan.target, None)

    def in_force(self, now: Resources) -> bool | None:
        """Whether the limit is what was asked for; None when there is none."""
        return None if now.cpus is None else abs(now.cpus - number(self.plan, "cpus")) < TOLERANCE

    def gained(self, before: Resources, now: Resources) -> Evidence:
        """In how many periods containers had to wait."""
        return {"throttled": max(0, now.throttled - before.throttled)}


class Memory(Squeeze):
    """Each container gets little more memory than it has: its caches go first, and then the kernel kills it."""

    async def limit(self) -> None:
        """Set the limit."""
        await self._containers.limit_memory(self.plan.target, round(number(self.plan, "headroom")))

    async def lift(self) -> None:
        """Take it back."""
        await self._containers.limit_memory(self.plan.target, None)

    def in_force(self, now: Resources) -> bool | None:
        """Whether there is a limit, which the engine has worked out from what was in use."""
        return None if now.memory is None else True

    def gained(self, before: Resources, now: Resources) -> Evidence:
        """How often containers came to the end of their memory, and how many were killed for it."""
        return {"limit_hits": max(0, now.limit_hits - before.limit_hits), "oom_kills": now.oom_kills}


def _limits(now: Resources) -> Evidence:
    found = {"cpus": now.cpus, "memory_bytes": now.memory}
    return {name: value for name, value in found.items() if value is not None}


KINDS = (
    FaultKind(
        kind="resource.cpu",
        summary="the service gets only a part of a processor",
        colour="#d35400",
        targets="service",
        make=Cpu,
        params={"cpus": Param("share", "of one processor, for each container", required=True, minimum=0.01)},
        felt_counts=("throttled",),
    ),
    FaultKind(
        kind="resource.memory",
        summary="the service gets hardly more memory than it has: caches go first, then it is killed and started again",
        colour="#d35400",
        targets="service",
        make=Memory,
        params={"headroom": Param("size", "beyond what each container has in use", default=2 * 1024 * 1024, minimum=0)},
        felt_counts=("limit_hits", "oom_kills"),
    ),
)
