"""The life of one fault in one run: commanded, installed, held, healed, each recorded as it happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from harness.core.errors import EnvironmentFault
from harness.core.events import Scalar
from harness.core.plan import FaultPlan
from harness.core.results import FaultResult
from harness.engine.bypass import BypassWatch
from harness.faults.api import Evidence, Fault, People, World
from harness.faults.group import bind, proxies_of
from harness.faults.registry import kinds
from harness.history.recorder import Recorder
from harness.proxy.api import ProxyUnavailable
from harness.stacks.api import ControlUnavailable, Stack
from harness.stacks.journal import Journal

HEAL_TRIES = 3
HEAL_PAUSE_S = 0.2

TROUBLE = (ProxyUnavailable, ControlUnavailable, EnvironmentFault)
"""What a command to a proxy, a control port or a process ends in when its effect is unknown."""

KEYS: Mapping[str, str] = {
    "link": "link",
    "service": "service",
    "provider": "provider",
    "device": "device",
    "person": "recipient",
}
"""Which key of an event names the target of a fault."""

Wait = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Stage:
    """What every fault of a run acts on and reports to."""

    stack: Stack
    people: People
    recorder: Recorder
    journal: Journal
    bypass: BypassWatch
    moved: Callable[[FaultResult], None]


class Act:
    """One fault."""

    def __init__(self, plan: FaultPlan, stage: Stage) -> None:
        self.plan = plan
        self.applied = asyncio.Event()
        self.outstanding = False
        self._stage = stage
        self._kind = kinds()[plan.kind]
        self._fault: Fault = bind(self._kind, plan, World(stage.stack, stage.people))
        self._before: Mapping[str, int] = {}

    @property
    def limited(self) -> bool:
        """Whether it ends by itself, before the heal phase."""
        return self._length() is not None

    async def play(self, start: Wait, end: asyncio.Event) -> None:
        """Wait for the start, apply, hold; heal when its own time is over before ``end``."""
        if not await _before(start, end):
            return
        await self.apply()
        if self.outstanding and await self._over(end):
            await self.heal()

    async def apply(self) -> None:
        """Give the command, journaled first, and read back whether it took."""
        self._before = await self._counters()
        await asyncio.to_thread(self._stage.journal.applying, self.plan.id, self._fault.undo_commands())
        self.outstanding = True
        # The disturbance begins somewhere inside `apply`: whoever looks for its effects has to look from here.
        began_ns = time.monotonic_ns()
        try:
            self._say("fault_commanded", {**await self._fault.apply(), "began_ns": began_ns})
            read = await self._fault.installed()
        except TROUBLE:
            self._show("planned", gap="not_commanded")
            return
        finally:
            self.applied.set()
        if read.holds:
            self._say("fault_installed", read.evidence)
        else:
            self._show("commanded", gap="not_installed")

    async def heal(self) -> None:
        """Undo and read back; a heal that does not take after a few tries leaves the fault outstanding."""
        # Counted before the undo: what the undo itself closes is no effect of the fault.
        felt = _gained(self._before, await self._counters())
        undoing_ns = time.monotonic_ns()
        for _ in range(HEAL_TRIES):
            evidence = await self._try_heal()
            if evidence is not None:
                await asyncio.to_thread(self._stage.journal.undone, self.plan.id)
                self.outstanding = False
                unproxied = self._stage.bypass.seen(self.plan.target)
                self._say("fault_healed", {**evidence, **felt, "undoing_ns": undoing_ns, "unproxied": unproxied})
                return
            await asyncio.sleep(HEAL_PAUSE_S)
        self._show("installed", gap="not_healed")

    async def abandon(self) -> None:
        """Undo as well as it goes; a proxy that is gone has nothing left to undo."""
        if self.outstanding:
            with suppress(*TROUBLE):
                await self._fault.undo()
                await asyncio.to_thread(self._stage.journal.undone, self.plan.id)
                self.outstanding = False

    async def _try_heal(self) -> Evidence | None:
        try:
            evidence = await self._fault.undo()
            read = await self._fault.healed()
        except TROUBLE:
            return None
        return {**evidence, **read.evidence} if read.holds else None

    async def _over(self, end: asyncio.Event) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(end.wait(), self._length())
            return False
        return True

    def _length(self) -> float | None:
        if self._kind.duration == "optional":
            return self.plan.for_s
        value = self.plan.params.get("restart_after")
        return float(value) if isinstance(value, int | float) else 0.0

    async def _counters(self) -> Mapping[str, int]:
        if self._kind.targets != "link":
            return {}
        stack = self._stage.stack
        try:
            found = [await stack.link(name).counters() for name in proxies_of(self.plan.target, stack)]
        except ProxyUnavailable:
            return {}
        counted = [asdict(one) for one in found if one is not None]
        return {name: sum(one[name] for one in counted) for name in (counted[0] if counted else ())}

    def _say(self, event: str, evidence: Evidence) -> None:
        detail: dict[str, Scalar] = {"kind": self.plan.kind, **evidence}
        # A person is the subject, not the sender of anything, so it goes by the key that the others do not use.
        where: dict[str, Any] = {KEYS[self._kind.targets]: self.plan.target}
        self._stage.recorder.record(event, fault=self.plan.id, detail=detail, **where)
        self._show(event.removeprefix("fault_"), gap=None)

    def _show(self, rung: str, *, gap: str | None) -> None:
        plan = self.plan
        result = FaultResult(id=plan.id, kind=plan.kind, target=plan.target, rung=rung, gap=gap, exposed=0)
        self._stage.moved(result)


def _gained(before: Mapping[str, int], after: Mapping[str, int]) -> Mapping[str, int]:
    return {name: value - before.get(name, 0) for name, value in after.items()}


async def _before(start: Wait, end: asyncio.Event) -> bool:
    """Tell whether ``start`` came before ``end``."""
    waiting = [asyncio.ensure_future(start()), asyncio.ensure_future(end.wait())]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        return waiting[0].done() and not end.is_set()
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
