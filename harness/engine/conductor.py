"""Starts the faults of a run when they are due and ends them, last applied first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from harness.core.plan import FaultPlan, Start
from harness.engine.act import Act, Stage, Wait


class Triggers(Protocol):
    """Tells when the nth event of a kind has been recorded by the people."""

    async def watch(self, event: str, *, of: str | None, nth: int) -> asyncio.Event:
        """Return what is set once it has happened, counted from now."""
        ...


class Conductor:
    """All faults of one run."""

    def __init__(self, plans: Sequence[FaultPlan], stage: Stage, triggers: Triggers) -> None:
        self._acts = {plan.id: Act(plan, stage) for plan in plans}
        self._triggers = triggers
        self._end = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._applied: list[Act] = []

    async def arm(self) -> None:
        """Let the plan run from now on: this moment is time zero of every ``at``."""
        zero = asyncio.get_running_loop().time()
        for act in self._acts.values():
            start = await self._wait(act.plan.start, zero)
            self._tasks.append(asyncio.create_task(self._play(act, start), name=f"fault {act.plan.id}"))

    async def started(self) -> None:
        """Wait until every fault has been commanded; for ever when one never is."""
        for act in self._acts.values():
            await act.applied.wait()

    async def heal(self) -> None:
        """End what has not ended by itself, last applied first; what has not started never will."""
        self._end.set()
        await asyncio.gather(*self._tasks)
        for act in reversed(self._applied):
            if act.outstanding:
                await act.heal()

    async def abandon(self) -> None:
        """Undo as well as it goes when the run is given up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for act in reversed(self._applied):
            await act.abandon()

    def unhealed(self) -> frozenset[str]:
        """Targets of the faults that are still in place."""
        return frozenset(act.plan.target for act in self._applied if act.outstanding)

    async def _play(self, act: Act, start: Wait) -> None:
        async def start_and_note() -> None:
            await start()
            self._applied.append(act)

        await act.play(start_and_note, self._end)

    async def _wait(self, start: Start, zero: float) -> Wait:
        if start.with_fault is not None:
            return self._acts[start.with_fault].applied.wait
        if start.after is not None:
            fired = await self._triggers.watch(start.after, of=start.of, nth=start.nth)
            return fired.wait
        due = zero + (start.at_s or 0.0)
        return lambda: asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
