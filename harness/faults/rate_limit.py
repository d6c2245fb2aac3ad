"""Quotas that shrink while people write."""

from __future__ import annotations

from dataclasses import asdict, replace

from harness.core.plan import FaultPlan
from harness.faults.api import EndsWithTheRun, Evidence, FaultKind, Param, ReadBack, World
from harness.faults.toxic import number
from harness.stacks.api import ControlUnavailable, Limits, ServiceControl

FIELDS = {"user": "per_user", "global": "overall"}


class LowerLimit(EndsWithTheRun):
    """The service takes fewer messages a second from each person, or from all together."""

    def __init__(self, plan: FaultPlan, world: World) -> None:
        self.plan = plan
        self._control = world.stack.control
        self._before: Limits | None = None

    async def apply(self) -> Evidence:
        """Remember what is in force, then lower it."""
        control = self._there()
        self._before = self._before or await control.limits()
        await control.set_limits(self._lowered(self._before))
        return _shown(self._before)

    async def installed(self) -> ReadBack:
        """Read the limits back."""
        found = await self._there().limits()
        return ReadBack(self._before is not None and found == self._lowered(self._before), _shown(found))

    async def undo(self) -> Evidence:
        """Put back what was in force."""
        if self._before is not None:
            await self._there().set_limits(self._before)
        return {}

    async def healed(self) -> ReadBack:
        """Read the limits back."""
        found = await self._there().limits()
        return ReadBack(found == self._before, _shown(found))

    def _lowered(self, before: Limits) -> Limits:
        return replace(before, **{FIELDS[str(self.plan.params["scope"])]: number(self.plan, "limit")})

    def _there(self) -> ServiceControl:
        if self._control is None:
            raise ControlUnavailable("the stack has no control port to lower limits by")
        return self._control


def _shown(limits: Limits) -> Evidence:
    return {name: value for name, value in asdict(limits).items() if value is not None}


KINDS = (
    FaultKind(
        kind="rate_limit.lower",
        summary="the service takes fewer messages a second than people write",
        colour="#f39c12",
        targets="service",
        make=LowerLimit,
        params={
            "scope": Param("text", "whose quota", default="user", choices=tuple(FIELDS)),
            "limit": Param("rate", "messages a second that are still taken", required=True, minimum=0.01),
        },
        felt_by=("rate_limited",),
        needs=("rate_limit",),
    ),
)
