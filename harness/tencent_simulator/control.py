"""The control port, behind a token of its own: limits, UserSigs, numbers. Ours; the service has nothing like it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from harness.reference.control import CommonControl, guarded_app
from harness.reference.frames import User
from harness.reference.sessions import Sessions
from harness.reference.tokens import EXPIRED, REVOKED
from harness.reference.web import answer, body_of, query_of
from harness.tencent_simulator.accounts import Accounts
from harness.tencent_simulator.answers import Refusal, on_refusal
from harness.tencent_simulator.messages import Messages


@dataclass(frozen=True, slots=True)
class Control(CommonControl):
    """Handlers of the control port (docs/reference-protocol.md, "Control port"), and what they act on."""

    accounts: Accounts
    sessions: Sessions
    messages: Messages

    async def stats(self, _: Request) -> Response:
        """Answer the numbers."""
        return answer({"sessions": len(self.sessions), "messages": await self.messages.count()})

    async def valid(self, request: Request) -> Response:
        """Count a person's good UserSigs."""
        return answer({"valid": self.accounts.valid(query_of(request, User).user)})

    async def expire(self, request: Request) -> Response:
        """Let a person's UserSigs expire now."""
        return await self._end(request, EXPIRED)

    async def revoke(self, request: Request) -> Response:
        """Invalidate a person's UserSigs, as a kick does."""
        return await self._end(request, REVOKED)

    async def _end(self, request: Request, how: str) -> Response:
        user = (await body_of(request, User)).user
        count = await self.accounts.end(user, how)
        self.log("usersigs_ended", user=user, count=count, how=how)
        return answer({"count": count})


def control_app(token: str, control: Control) -> Starlette:
    """Return the app of the control port."""
    routes = [
        ("GET", "stats", control.stats),
        ("GET", "limits", control.limits),
        ("PUT", "limits", control.set_limits),
        ("GET", "tokens", control.valid),
        ("POST", "tokens/expire", control.expire),
        ("POST", "tokens/revoke", control.revoke),
        ("GET", "time", control.wall_clock),
        ("GET", "push-tokens", control.push_tokens),
    ]
    return guarded_app(token, routes, {Refusal: on_refusal})
