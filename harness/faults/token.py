"""Credentials that stop being good in mid-session. What has happened cannot be undone: the client has to cope."""

from __future__ import annotations

import asyncio

from harness.core.plan import FaultPlan
from harness.faults.api import EndsWithTheRun, Evidence, FaultKind, ReadBack, World
from harness.stacks.api import ControlUnavailable, ServiceControl

BACK_WITHIN_S = 3.0
LOOK_EVERY_S = 0.05


class TokensEnd(EndsWithTheRun):
    """Every access token of a person ends at once; with ``revoke`` the refresh tokens too."""

    def __init__(self, plan: FaultPlan, world: World, *, revoke: bool) -> None:
        self.plan = plan
        self._control = world.stack.control
        self._revoke = revoke
        self._ended = 0

    async def apply(self) -> Evidence:
        """Give the command."""
        control = self._there()
        end = control.revoke_tokens if self._revoke else control.expire_tokens
        self._ended = await end(self.plan.target)
        return {"ended": self._ended}

    async def installed(self) -> ReadBack:
        """Whether there was any token to end; the person may have a new one by the time that one could ask."""
        return ReadBack(self._ended > 0, {"valid": await self._there().valid_tokens(self.plan.target)})

    async def undo(self) -> Evidence:
        """Give the person's devices their time to get another token."""
        deadline = asyncio.get_running_loop().time() + BACK_WITHIN_S
        while not (valid := await self._there().valid_tokens(self.plan.target)):
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        return {"valid": valid}

    async def healed(self) -> ReadBack:
        """Nothing of it stays: whether the person gets back in is the service's and the client's affair."""
        return ReadBack(holds=True, evidence={"valid": await self._there().valid_tokens(self.plan.target)})

    def _there(self) -> ServiceControl:
        if self._control is None:
            raise ControlUnavailable("the stack has no control port to end tokens by")
        return self._control


FELT_BY = ("token_expired", "token_rejected", "token_refresh_started")

KINDS = (
    FaultKind(
        kind="token.expire",
        summary="a person's access tokens expire in mid-session; refreshing helps",
        colour="#d35400",
        targets="person",
        make=lambda plan, world: TokensEnd(plan, world, revoke=False),
        duration="none",
        felt_by=FELT_BY,
        needs=("refresh_token",),
    ),
    FaultKind(
        kind="token.revoke",
        summary="a person is logged out everywhere; only a new login helps",
        colour="#d35400",
        targets="person",
        make=lambda plan, world: TokensEnd(plan, world, revoke=True),
        duration="none",
        felt_by=FELT_BY,
        needs=("refresh_token",),
    ),
)
