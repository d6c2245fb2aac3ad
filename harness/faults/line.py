"""A line that is cut, once or again and again."""

from __future__ import annotations

import asyncio

from harness.core.plan import FaultPlan
from harness.faults.api import Evidence, ReadBack, UndoCommand, World
from harness.faults.proxy_undo import disable_undo
from harness.faults.toxic import number
from harness.proxy.api import LinkProxy, ProxyUnavailable


class Down:
    """The link is cut: open connections end, new ones are refused, until healed."""

    def __init__(self, plan: FaultPlan, world: World) -> None:
        self.plan = plan
        self._link: LinkProxy = world.stack.link(plan.target)
        self._stack = world.stack

    def undo_commands(self) -> tuple[UndoCommand, ...]:
        """Enable the proxy again."""
        return (disable_undo(self._stack.proxy, self._link.name),)

    async def apply(self) -> Evidence:
        """Disable the proxy; what was open at that moment is the evidence of what was cut."""
        before = await self._link.counters()
        await self._link.enable(enabled=False)
        return {} if before is None else {"open_connections": before.opened - before.closed}

    async def installed(self) -> ReadBack:
        """Read the proxy back as disabled."""
        state = await self._link.state()
        return ReadBack(not state.enabled, {"enabled": state.enabled})

    async def undo(self) -> Evidence:
        """Enable the proxy."""
        await self._link.enable(enabled=True)
        return {}

    async def healed(self) -> ReadBack:
        """Read the proxy back as enabled."""
        state = await self._link.state()
        return ReadBack(state.enabled, {"enabled": state.enabled})


class Flapping(Down):
    """The link is cut and comes back, again and again, until healed."""

    def __init__(self, plan: FaultPlan, world: World) -> None:
        super().__init__(plan, world)
        self._task: asyncio.Task[None] | None = None
        self._cuts = 0

    async def apply(self) -> Evidence:
        """Cut it for the first time and go on from there."""
        evidence = await super().apply()
        self._cuts = 1
        self._task = asyncio.create_task(self._flap(), name=f"flapping {self.plan.id}")
        return evidence

    async def undo(self) -> Evidence:
        """Stop flapping and leave it open."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await super().undo()
        return {"cuts": self._cuts}

    async def _flap(self) -> None:
        down_s, up_s = number(self.plan, "down"), number(self.plan, "up")
        try:
            while True:
                await asyncio.sleep(down_s)
                await self._link.enable(enabled=True)
                await asyncio.sleep(up_s)
                await self._link.enable(enabled=False)
                self._cuts += 1
        except ProxyUnavailable:
            return  # the proxy is gone: the undo finds that out and says so
