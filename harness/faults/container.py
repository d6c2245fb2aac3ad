"""Faults of containers' networks: a service that is taken off the way to another one."""

from __future__ import annotations

from harness.core.plan import FaultPlan
from harness.faults.api import EndsWithTheRun, Evidence, FaultKind, Param, ReadBack, World
from harness.faults.toxic import number
from harness.stacks.containment import containment


class Partition(EndsWithTheRun):
    """The containers at a link's source lose the network that the link is.

    Unlike a cut by the proxy nobody hangs up: open connections hang, and go on at the end if their ends waited so long.
    """

    def __init__(self, plan: FaultPlan, world: World) -> None:
        self.plan = plan
        self._containers = containment(world.stack)
        self._replica = round(number(plan, "replica"))

    async def apply(self) -> Evidence:
        """Take them off the network."""
        return {"parted": await self._containers.part(self.plan.target, self._replica)}

    async def installed(self) -> ReadBack:
        """Read back that none of them is on it."""
        off, on = await self._containers.apart(self.plan.target, self._replica)
        return ReadBack(off > 0 and not on, {"off_the_network": off, "on_the_network": on})

    async def undo(self) -> Evidence:
        """Put them back, at the addresses they had."""
        return {"rejoined": await self._containers.rejoin(self.plan.target, self._replica)}

    async def healed(self) -> ReadBack:
        """Read back that all of them are on it."""
        off, on = await self._containers.apart(self.plan.target, self._replica)
        return ReadBack(on > 0 and not off, {"off_the_network": off, "on_the_network": on})


KINDS = (
    FaultKind(
        kind="network.partition",
        summary="a service is taken off the network to another one: connections hang, new ones find no way",
        colour="#c0392b",
        targets="link",
        make=Partition,
        params={
            "replica": Param("integer", "which container of the service, from 1 (0: all of them)", default=0, minimum=0)
        },
    ),
)
