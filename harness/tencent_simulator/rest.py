"""REST v4: who calls, how often, and which command (document 1047/34621)."""

from __future__ import annotations

import time
from collections import defaultdict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from harness.reference.limits import Bucket
from harness.reference.tokens import REVOKED
from harness.tencent_simulator.accounts import Accounts
from harness.tencent_simulator.answers import Json, Refusal, body_of, ok, text_of
from harness.tencent_simulator.c2c import Command
from harness.tencent_simulator.settings import Settings

BACK_END = "rest"


class Frequency:
    """Lets so many calls of each command through in a second; None: all."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._buckets: dict[str, Bucket] = defaultdict(lambda: Bucket(rate or 0.0, time.monotonic()))

    def count(self, command: str) -> None:
        """Count a call; raises ``Refusal`` when there were too many."""
        if self._rate is None:
            return
        bucket = self._buckets[command]
        bucket.refill(time.monotonic(), self._rate, max(1.0, self._rate))
        if bucket.wait_s(1, self._rate):
            raise Refusal(60007, "the frequency of calls is over the limit")
        bucket.level -= 1


class LoginService:
    """The commands of ``im_open_login_svc`` (documents 1047/34953, 34957)."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def commands(self) -> dict[str, Command]:
        """Return the handlers by command."""
        return {"im_open_login_svc/account_import": self.add, "im_open_login_svc/kick": self.kick}

    async def add(self, _: str, body: Json) -> Json:
        """Make an account."""
        nick = body.get("Nick")
        await self._accounts.add(_user(body), nick if isinstance(nick, str) else "")
        return {}

    async def kick(self, _: str, body: Json) -> Json:
        """Invalidate every UserSig of an account that was made until now."""
        await self._accounts.end(_user(body), REVOKED)
        return {}


class RestApi:
    """The endpoint of all commands."""

    def __init__(self, settings: Settings, accounts: Accounts, commands: dict[str, Command]) -> None:
        self._settings = settings
        self._accounts = accounts
        self._commands = commands
        self._frequency = Frequency(settings.rest_rate)

    def routes(self) -> list[Route]:
        """Return the routes of the API and of the app's sign-in, which is ours."""
        return [
            Route("/v4/{service}/{command}", self._call, methods=["POST"]),
            Route("/app/v1/usersig", self._sign_in, methods=["POST"]),
        ]

    async def _call(self, request: Request) -> Response:
        caller = self._caller(request)
        name = f"{request.path_params['service']}/{request.path_params['command']}"
        command = self._commands.get(name)
        if command is None:
            raise Refusal(60009, "there is no such command")
        self._frequency.count(name)
        return ok(await command(caller, await body_of(request)))

    def _caller(self, request: Request) -> str:
        """Return the administrator who calls; raises ``Refusal``."""
        query = request.query_params
        if not query.get("sdkappid"):
            raise Refusal(60012, "sdkappid is missing in the URL")
        if query["sdkappid"] != str(self._settings.key.sdkappid):
            raise Refusal(70020, "SDKAppID not found")
        if query.get("contenttype") != "json" or not query.get("random", "").isdecimal():
            raise Refusal(60002, "contenttype or random is missing in the URL")
        caller = query.get("identifier", "")
        self._accounts.identify(caller, BACK_END, query.get("usersig", ""))
        if not self._settings.administers(caller):
            raise Refusal(60010, "identifier is no administrator of the app")
        return caller

    async def _sign_in(self, request: Request) -> Response:
        user = _user(await body_of(request))
        return ok({"usersig": self._accounts.sign(user), "expires_in": self._accounts.life_s})


def _user(body: Json) -> str:
    """The account that a request is about; older documents call the field ``Identifier``, the sign-in ``user``."""
    name = next((name for name in ("UserID", "Identifier", "user") if name in body), "UserID")
    return text_of(body, name, 70402)
