"""The control port, behind a token of its own: limits, UserSigs, numbers. Ours; the service has nothing like it."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from harness.reference.database import Database
from harness.reference.frames import Limits, Refused, User
from harness.reference.limits import Limiter
from harness.reference.log import Log
from harness.reference.push_store import PushStore
from harness.reference.sessions import Sessions
from harness.reference.storage import StorageFailed
from harness.reference.tokens import EXPIRED, REVOKED
from harness.reference.web import answer, bearer, body_of, on_refused, on_storage_failed, query_of
from harness.tencent_simulator.accounts import Accounts
from harness.tencent_simulator.answers import Refusal, on_refusal
from harness.tencent_simulator.messages import Messages

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Control:
    """Handlers of the control port (docs/reference-protocol.md, "Control port"), and what they act on."""

    database: Database
    accounts: Accounts
    sessions: Sessions
    messages: Messages
    limiter: Limiter
    push: PushStore
    log: Log

    async def stats(self, _: Request) -> Response:
        """Answer the numbers."""
        return answer({"sessions": len(self.sessions), "messages": await self.messages.count()})

    async def limits(self, _: Request) -> Response:
        """Answer the limits in force."""
        return answer(await self.database.read(self.limiter.books.limits))

    async def set_limits(self, request: Request) -> Response:
        """Change the limits for every send from now on."""
        limits = await body_of(request, Limits)
        await self.database.write(lambda connection: self.limiter.books.change(connection, limits))
        self.log("limits_changed", per_user=str(limits.per_user), overall=str(limits.overall))
        return answer(limits)

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

    async def wall_clock(self, _: Request) -> Response:
        """Answer the service's own wall clock."""
        return answer({"wall_ns": time.time_ns()})

    async def push_tokens(self, _: Request) -> Response:
        """Count push tokens and pushes that are still to be made."""
        return answer(await self.push.counts())


def control_app(token: str, control: Control) -> Starlette:
    """Return the app of the control port."""

    def guarded(handler: Handler) -> Handler:
        async def guard(request: Request) -> Response:
            if not hmac.compare_digest(bearer(request.headers).encode(), token.encode()):
                raise Refused("unauthorized", "this is not the control token")
            return await handler(request)

        return guard

    def route(method: str, path: str, handler: Handler) -> Route:
        return Route(f"/control/{path}", guarded(handler), methods=[method])

    routes = [
        route("GET", "stats", control.stats),
        route("GET", "limits", control.limits),
        route("PUT", "limits", control.set_limits),
        route("GET", "tokens", control.valid),
        route("POST", "tokens/expire", control.expire),
        route("POST", "tokens/revoke", control.revoke),
        route("GET", "time", control.wall_clock),
        route("GET", "push-tokens", control.push_tokens),
    ]
    handlers = {Refused: on_refused, Refusal: on_refusal, StorageFailed: on_storage_failed}
    return Starlette(routes=routes, exception_handlers=handlers)
