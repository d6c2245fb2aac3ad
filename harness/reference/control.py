"""The control port, behind a token of its own: numbers, limits, tokens, and an orderly stop."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ExceptionHandler

from harness.reference.database import Database
from harness.reference.frames import Limits, Refused, User
from harness.reference.limits import Limiter
from harness.reference.log import Log
from harness.reference.push_store import PushStore
from harness.reference.storage import StorageFailed
from harness.reference.tokens import Tokens
from harness.reference.web import answer, bearer, body_of, on_refused, on_storage_failed, query_of

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class CommonControl:
    """Handlers of the control port that any service has which stands on this storage, and what they act on."""

    database: Database
    limiter: Limiter
    push: PushStore
    log: Log

    async def limits(self, _: Request) -> Response:
        """Answer the limits in force."""
        return answer(await self.database.read(self.limiter.books.limits))

    async def set_limits(self, request: Request) -> Response:
        """Change the limits for every send from now on."""
        limits = await body_of(request, Limits)
        await self.database.write(lambda connection: self.limiter.books.change(connection, limits))
        self.log("limits_changed", per_user=str(limits.per_user), overall=str(limits.overall))
        return answer(limits)

    async def wall_clock(self, _: Request) -> Response:
        """Answer the service's own wall clock."""
        return answer({"wall_ns": time.time_ns()})

    async def push_tokens(self, _: Request) -> Response:
        """Count push tokens and pushes that are still to be made."""
        return answer(await self.push.counts())


@dataclass(frozen=True, slots=True)
class Control(CommonControl):
    """Handlers of the reference backend's control port."""

    tokens: Tokens
    stats: Callable[[], Awaitable[dict[str, object]]]
    stop: Callable[[], None]

    async def show(self, _: Request) -> Response:
        """Answer the numbers."""
        return answer(await self.stats())

    async def end(self, _: Request) -> Response:
        """Stop in order."""
        self.stop()
        return answer({"status": "stopping"}, 202)

    async def valid(self, request: Request) -> Response:
        """Count a person's good access tokens."""
        return answer({"valid": await self.tokens.valid(query_of(request, User).user)})

    async def expire(self, request: Request) -> Response:
        """Let a person's access tokens expire now."""
        return await self._end(request, "tokens_expired", self.tokens.expire)

    async def revoke(self, request: Request) -> Response:
        """Revoke a person's access and refresh tokens."""
        return await self._end(request, "tokens_revoked", self.tokens.revoke)

    async def _end(self, request: Request, event: str, end: Callable[[str], Awaitable[int]]) -> Response:
        user = (await body_of(request, User)).user
        count = await end(user)
        self.log(event, user=user, count=count)
        return answer({"count": count})


def control_app(token: str, control: Control) -> Starlette:
    """Return the app of the control port."""
    routes = [
        ("GET", "stats", control.show),
        ("POST", "stop", control.end),
        ("GET", "limits", control.limits),
        ("PUT", "limits", control.set_limits),
        ("GET", "tokens", control.valid),
        ("POST", "tokens/expire", control.expire),
        ("POST", "tokens/revoke", control.revoke),
        ("GET", "time", control.wall_clock),
        ("GET", "push-tokens", control.push_tokens),
    ]
    return guarded_app(token, routes, {})


def guarded_app(
    token: str, routes: Iterable[tuple[str, str, Handler]], refusals: Mapping[Any, ExceptionHandler]
) -> Starlette:
    """Return an app of handlers by method and path below ``/control``, each behind the token.

    ``refusals`` answer exceptions of a service of its own, beside those that are answered in any case.
    """

    def guarded(handler: Handler) -> Handler:
        async def guard(request: Request) -> Response:
            if not hmac.compare_digest(bearer(request.headers).encode(), token.encode()):
                raise Refused("unauthorized", "this is not the control token")
            return await handler(request)

        return guard

    return Starlette(
        routes=[Route(f"/control/{path}", guarded(handler), methods=[method]) for method, path, handler in routes],
        exception_handlers={Refused: on_refused, StorageFailed: on_storage_failed, **refusals},
    )
