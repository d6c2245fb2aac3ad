"""The control port: numbers and an orderly stop for whoever runs the service, behind a token of its own."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from harness.reference.frames import Refused
from harness.reference.web import answer, bearer, on_refused

Stats = Callable[[], Awaitable[dict[str, object]]]


def control_app(token: str, stats: Stats, stop: Callable[[], None]) -> Starlette:
    """Return the app of the control port."""

    def allow(request: Request) -> None:
        if not hmac.compare_digest(bearer(request.headers).encode(), token.encode()):
            raise Refused("unauthorized", "this is not the control token")

    async def show(request: Request) -> Response:
        allow(request)
        return answer(await stats())

    async def end(request: Request) -> Response:
        allow(request)
        stop()
        return answer({"status": "stopping"}, 202)

    routes = [
        Route("/control/stats", show, methods=["GET"]),
        Route("/control/stop", end, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={Refused: on_refused})
