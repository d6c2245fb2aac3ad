"""The HTTP endpoints of accounts and their tokens."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from harness.reference.accounts import Accounts
from harness.reference.frames import Credentials, RefreshToken, Registration
from harness.reference.log import Log
from harness.reference.tokens import Pair, Tokens
from harness.reference.web import answer, body_of


class AccountsHttp:
    """Registration, login and refresh."""

    def __init__(self, accounts: Accounts, tokens: Tokens, log: Log, advertised_url: str | None) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._log = log
        self._advertised_url = advertised_url

    def routes(self) -> list[Route]:
        """Return the endpoints."""
        return [
            Route("/v1/register", self._register, methods=["POST"]),
            Route("/v1/login", self._login, methods=["POST"]),
            Route("/v1/refresh", self._refresh, methods=["POST"]),
        ]

    async def _register(self, request: Request) -> Response:
        wanted = await body_of(request, Registration)
        await self._accounts.register(wanted)
        self._log("registered", user=wanted.user)
        return answer({"user": wanted.user}, 201)

    async def _login(self, request: Request) -> Response:
        credentials = await body_of(request, Credentials)
        await self._accounts.check(credentials)
        pair = await self._tokens.issue(credentials.user, credentials.device)
        self._log("login", user=credentials.user, device=credentials.device)
        issued = self._issued(pair) | {"user": credentials.user, "device": credentials.device}
        return answer(issued | ({"url": f"{self._advertised_url}/v1/ws"} if self._advertised_url else {}))

    async def _refresh(self, request: Request) -> Response:
        wanted = await body_of(request, RefreshToken)
        identity, pair = await self._tokens.refresh(wanted.refresh_token)
        self._log("token_refreshed", user=identity.user, device=identity.device)
        return answer(self._issued(pair))

    def _issued(self, pair: Pair) -> dict[str, object]:
        return {"token": pair.token, "refresh_token": pair.refresh_token, "expires_in": self._tokens.ttl_s}
