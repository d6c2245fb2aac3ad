"""A push provider that answers something else than yes."""

from __future__ import annotations

from harness.core.plan import FaultPlan
from harness.faults.api import EndsWithTheRun, Evidence, FaultKind, Param, ReadBack, World
from harness.stacks.api import PushRule


class Reject(EndsWithTheRun):
    """The provider gives one answer to a device's pushes, or to a share of all."""

    def __init__(self, plan: FaultPlan, world: World) -> None:
        self.plan = plan
        self._provider = world.stack.provider(plan.target)

    async def apply(self) -> Evidence:
        """Put the rule in force."""
        rule = self._rule()
        await self._provider.add_rule(rule)
        return {"answer": rule.answer, "share": rule.share}

    async def installed(self) -> ReadBack:
        """Read the rule back."""
        rules = await self._provider.rules()
        return ReadBack(self._rule() in rules, {"rules": len(rules)})

    async def undo(self) -> Evidence:
        """Take the rule back."""
        await self._provider.remove_rule(self.plan.id)
        return {}

    async def healed(self) -> ReadBack:
        """Read back that it is gone, and how many pushes it answered."""
        left = [rule.id for rule in await self._provider.rules() if rule.id == self.plan.id]
        return ReadBack(not left, {"hits": await self._provider.hits(self.plan.id)})

    def _rule(self) -> PushRule:
        device, retry_after = self.plan.params.get("device"), self.plan.params.get("retry_after")
        return PushRule(
            id=self.plan.id,
            answer=str(self.plan.params["answer"]),
            device=None if device is None else str(device),
            share=float(self.plan.params.get("share") or 0.0),
            retry_after_s=float(retry_after) if isinstance(retry_after, int | float) else None,
            retry_after_form="date" if self.plan.params.get("retry_after_form") == "date" else "seconds",
        )


KINDS = (
    FaultKind(
        kind="push.reject",
        summary="the push provider refuses, delays, swallows or loses notifications",
        colour="#2980b9",
        targets="provider",
        make=Reject,
        params={
            "answer": Param(
                "text",
                "what the provider answers",
                required=True,
                choices=("unregistered", "throttled", "server_error", "hang", "accepted_never_shown"),
            ),
            "device": Param("device", "only pushes to this device"),
            "share": Param("share", "only this part of the pushes, drawn from the seed", default=1.0, minimum=0.0),
            "retry_after": Param("duration", "what a throttled answer asks to wait", minimum=0.0),
            "retry_after_form": Param(
                "text", "how it is told: in seconds unless as an HTTP date", choices=("seconds", "date")
            ),
        },
        felt_by=(),
        felt_counts=("hits",),
        needs=("push",),
    ),
)
