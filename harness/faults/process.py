"""Process faults: a service that dies or is deployed in mid-conversation."""

from __future__ import annotations

import signal

from harness.core.plan import FaultPlan
from harness.faults.api import EndsWithTheRun, Evidence, FaultKind, Param, ReadBack, World
from harness.faults.toxic import number
from harness.stacks.api import ServiceState

EXIT_WITHIN_S = 10.0
HEALTHY_WITHIN_S = 15.0
FROZEN_WITHIN_S = 0.3
"""No answer for this long: it is frozen."""


class ProcessFault(EndsWithTheRun):
    """A service is ended by a signal and started again on the same data."""

    signal = signal.SIGKILL

    def __init__(self, plan: FaultPlan, world: World) -> None:
        self.plan = plan
        self._stack = world.stack
        self._before: ServiceState | None = None

    async def apply(self) -> Evidence:
        """Send the signal and see the process end."""
        self._before = await self._stack.state(self.plan.target)
        await self._stack.signal(self.plan.target, self.signal)
        gone = await self._stack.wait_exit(self.plan.target, EXIT_WITHIN_S)
        return {"pid": self._before.pid or 0, "signal": self.signal.name, "gone": gone}

    async def installed(self) -> ReadBack:
        """Read back that the process that was there is no more."""
        state = await self._stack.state(self.plan.target)
        ended = self._before is not None and self._before.running and not state.running
        return ReadBack(ended, {"running": state.running, "exit_status": state.exit_status or 0})

    async def undo(self) -> Evidence:
        """Start the service again if it is down, and wait until it answers."""
        if not (await self._stack.state(self.plan.target)).running:
            await self._stack.start(self.plan.target)
        healthy = await self._stack.healthy(self.plan.target, HEALTHY_WITHIN_S)
        return {"healthy": healthy}

    async def healed(self) -> ReadBack:
        """Read back a running process, another than before, that answers its health request."""
        state = await self._stack.state(self.plan.target)
        another = self._before is None or state.pid != self._before.pid
        healthy = await self._stack.healthy(self.plan.target, HEALTHY_WITHIN_S)
        return ReadBack(state.running and another and healthy, {"pid": state.pid or 0, "healthy": healthy})


class Kill(ProcessFault):
    """SIGKILL: nothing is flushed, no goodbye is said."""


class Restart(ProcessFault):
    """SIGTERM: the service may say goodbye, as in a deployment."""

    signal = signal.SIGTERM


class Stop(ProcessFault):
    """SIGTERM, and nobody starts it again until healed."""

    signal = signal.SIGTERM


class RollingRestart(ProcessFault):
    """Restarted several times in a row, each time waiting until it answers, as a rolling deployment goes on."""

    signal = signal.SIGTERM

    async def undo(self) -> Evidence:
        """Do the rounds that are left, then leave it running."""
        evidence = await super().undo()
        for _ in range(round(number(self.plan, "times")) - 1):
            await self._stack.signal(self.plan.target, self.signal)
            await self._stack.wait_exit(self.plan.target, EXIT_WITHIN_S)
            evidence = await super().undo()
        return evidence


class Pause(EndsWithTheRun):
    """SIGSTOP: the service keeps its connections and does nothing, as a frozen machine or a long collection does."""

    def __init__(self, plan: FaultPlan, world: World) -> None:
        self.plan = plan
        self._stack = world.stack

    async def apply(self) -> Evidence:
        """Freeze it."""
        await self._stack.signal(self.plan.target, signal.SIGSTOP)
        return {"pid": (await self._stack.state(self.plan.target)).pid or 0}

    async def installed(self) -> ReadBack:
        """Read back that it runs and does not answer."""
        running = (await self._stack.state(self.plan.target)).running
        answers = await self._stack.healthy(self.plan.target, FROZEN_WITHIN_S)
        return ReadBack(running and not answers, {"running": running, "answers": answers})

    async def undo(self) -> Evidence:
        """Thaw it."""
        await self._stack.signal(self.plan.target, signal.SIGCONT)
        return {}

    async def healed(self) -> ReadBack:
        """Read back that it answers."""
        answers = await self._stack.healthy(self.plan.target, HEALTHY_WITHIN_S)
        return ReadBack(answers, {"answers": answers})


RESTART_AFTER = {
    "restart_after": Param("duration", "from the end of the process to its next start", default=0.5, minimum=0.0)
}

KINDS = (
    FaultKind(
        kind="process.kill",
        summary="the service is killed (SIGKILL) and started again on the same data",
        colour="#2c3e50",
        targets="service",
        make=Kill,
        params=RESTART_AFTER,
        duration="none",
    ),
    FaultKind(
        kind="process.restart",
        summary="the service is asked to stop (SIGTERM) and started again on the same data",
        colour="#7f8c8d",
        targets="service",
        make=Restart,
        params=RESTART_AFTER,
        duration="none",
    ),
    FaultKind(
        kind="process.rolling_restart",
        summary="the service is restarted several times in a row, waiting for its health in between",
        colour="#7f8c8d",
        targets="service",
        make=RollingRestart,
        params={**RESTART_AFTER, "times": Param("integer", "how often", default=2, minimum=2)},
        duration="none",
    ),
    FaultKind(
        kind="process.stop",
        summary="the service is asked to stop (SIGTERM) and stays down",
        colour="#2c3e50",
        targets="service",
        make=Stop,
    ),
    FaultKind(
        kind="process.pause",
        summary="the service is frozen (SIGSTOP): connections stay open, nothing answers",
        colour="#34495e",
        targets="service",
        make=Pause,
    ),
)
