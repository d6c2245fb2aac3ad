"""Process faults: a service that dies or is deployed in mid-conversation."""

from __future__ import annotations

import signal

from harness.core.plan import FaultPlan
from harness.faults.api import Evidence, FaultKind, Param, ReadBack, UndoCommand, World
from harness.stacks.api import ServiceState

EXIT_WITHIN_S = 10.0
HEALTHY_WITHIN_S = 15.0


class ProcessFault:
    """A service is ended by a signal and started again on the same data."""

    signal = signal.SIGKILL

    def __init__(self, plan: FaultPlan, world: World) -> None:
        self.plan = plan
        self._stack = world.stack
        self._before: ServiceState | None = None

    def undo_commands(self) -> tuple[UndoCommand, ...]:
        """Nothing to send: the process belongs to the run and ends with it."""
        return ()

    async def apply(self) -> Evidence:
        """Send the signal and see the process end."""
        self._before = self._stack.state(self.plan.target)
        await self._stack.signal(self.plan.target, self.signal)
        gone = await self._stack.wait_exit(self.plan.target, EXIT_WITHIN_S)
        return {"pid": self._before.pid or 0, "signal": self.signal.name, "gone": gone}

    async def installed(self) -> ReadBack:
        """Read back that the process that was there is no more."""
        state = self._stack.state(self.plan.target)
        ended = self._before is not None and self._before.running and not state.running
        return ReadBack(ended, {"running": state.running, "exit_status": state.exit_status or 0})

    async def undo(self) -> Evidence:
        """Start the service again if it is down, and wait until it answers."""
        if not self._stack.state(self.plan.target).running:
            await self._stack.start(self.plan.target)
        healthy = await self._stack.healthy(self.plan.target, HEALTHY_WITHIN_S)
        return {"healthy": healthy}

    async def healed(self) -> ReadBack:
        """Read back a running process, another than before, that answers its health request."""
        state = self._stack.state(self.plan.target)
        another = self._before is None or state.pid != self._before.pid
        healthy = await self._stack.healthy(self.plan.target, HEALTHY_WITHIN_S)
        return ReadBack(state.running and another and healthy, {"pid": state.pid or 0, "healthy": healthy})


class Kill(ProcessFault):
    """SIGKILL: nothing is flushed, no goodbye is said."""


class Restart(ProcessFault):
    """SIGTERM: the service may say goodbye, as in a deployment."""

    signal = signal.SIGTERM


_RESTART_AFTER = {
    "restart_after": Param("duration", "from the end of the process to its next start", default=0.5, minimum=0.0)
}

KINDS = (
    FaultKind(
        kind="process.kill",
        summary="the service is killed (SIGKILL) and started again on the same data",
        colour="#2c3e50",
        targets="service",
        make=Kill,
        params=_RESTART_AFTER,
        duration="none",
    ),
    FaultKind(
        kind="process.restart",
        summary="the service is asked to stop (SIGTERM) and started again on the same data",
        colour="#7f8c8d",
        targets="service",
        make=Restart,
        params=_RESTART_AFTER,
        duration="none",
    ),
)
