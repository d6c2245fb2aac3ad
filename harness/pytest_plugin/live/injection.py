"""One fault of a test in Python: applied and read back, held, undone and read back again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import NoReturn

from harness.core.errors import EnvironmentFault
from harness.core.plan import FaultPlan
from harness.core.results import FaultResult
from harness.engine.act import Act, Stage
from harness.engine.verdict import GAP_TEXTS
from harness.pytest_plugin.outcomes import NotProven, Trouble


class Injection:
    """A fault in place until its own time is over, or until it is ended."""

    def __init__(self, plan: FaultPlan, stage: Stage) -> None:
        self.plan = plan
        self.rung = "planned"
        self.gap: str | None = None
        self._act = Act(plan, replace(stage, moved=self.note))
        self._end = asyncio.Event()
        self._playing: asyncio.Task[None] | None = None

    def note(self, moved: FaultResult) -> None:
        """Take note of a rung that was climbed or a gap that was met."""
        self.rung, self.gap = moved.rung, moved.gap

    async def begin(self) -> None:
        """Apply it; raises ``NotProven`` or ``Trouble`` when it is not in place afterwards."""
        self._playing = asyncio.create_task(self._act.play(_at_once, self._end), name=f"fault {self.plan.id}")
        applied = asyncio.create_task(self._act.applied.wait())
        await asyncio.wait([self._playing, applied], return_when=asyncio.FIRST_COMPLETED)
        applied.cancel()
        if self._playing.done():
            self._playing.result()
        if self.gap is not None:
            raise _gap(self.plan, self.gap)

    async def last(self) -> None:
        """Wait until a fault with a time of its own is over."""
        if self._playing is not None and self._act.limited:
            await self._playing
        await self.end()

    async def end(self) -> None:
        """Undo it now unless it is undone; harmless when repeated."""
        self._end.set()
        if self._playing is not None:
            await asyncio.wait([self._playing])
        if self._act.outstanding:
            await self._act.heal()

    def refuse_unhealed(self) -> None:
        """Raise ``Trouble`` when it could not be undone."""
        if self.gap == "not_healed":
            raise _gap(self.plan, self.gap)


class Nobody:
    """The people of a test without simulated people."""

    async def set_clock(self, device: str, offset_s: float) -> None:  # noqa: ARG002 - the Protocol's arguments
        """Raise ``EnvironmentFault``."""
        self._absent(device)

    async def clock(self, device: str) -> float:
        """Raise ``EnvironmentFault``."""
        self._absent(device)

    @staticmethod
    def _absent(device: str) -> NoReturn:
        raise EnvironmentFault(f"nobody has a device {device}", hint="connect somebody with chaos_people first")


async def _at_once() -> None:
    return None


def _gap(plan: FaultPlan, gap: str) -> NotProven | Trouble:
    kind = NotProven if gap == "not_installed" else Trouble
    return kind(f"fault {plan.id} ({plan.kind} on {plan.target}) {GAP_TEXTS[gap]}")
