"""The HTTP side: accounts, the archive and health; and what the HTTP endpoints share."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from harness.reference.accounts import Accounts
from harness.reference.frames import MAX_FRAME_BYTES, Credentials, Refused, Registration, Sync, to_json
from harness.reference.log import Log
from harness.reference.messages import Messages

HEALTH_WITHIN_S = 2.0

_STATUS = {
    "bad_request": 400,
    "bad_credentials": 401,
    "unauthorized": 401,
    "token_expired": 401,
    "user_exists": 409,
    "too_large": 413,
}

T = TypeVar("T")


def answer(value: object, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(to_json(value), status, media_type="application/json")


def refusal(refused: Refused) -> Response:
    """Return the answer for a refused request: ``{"code", "message"}`` with its status."""
    return answer({"code": refused.code, "message": refused.message}, _STATUS[refused.code])


async def on_refused(_: Request, refused: Exception) -> Response:
    """Answer a request whose handler raised ``Refused``."""
    if not isinstance(refused, Refused):
        raise refused
    return refusal(refused)


def bearer(headers: Mapping[str, str]) -> str:
    """Return the token of an ``Authorization: Bearer`` header; raises ``Refused`` without one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused("unauthorized", "an Authorization header with a Bearer token is needed")
    return token


class Http:
    """The HTTP endpoints of the service."""

    def __init__(self, accounts: Accounts, messages: Messages, log: Log, advertised_url: str | None) -> None:
        self._accounts = accounts
        self._messages = messages
        self._log = log
        self._advertised_url = advertised_url

    async def register(self, request: Request) -> Response:
        """Make an account."""
        wanted = await _body(request, Registration)
        await self._accounts.register(wanted)
        self._log("registered", user=wanted.user)
        return answer({"user": wanted.user}, 201)

    async def login(self, request: Request) -> Response:
        """Issue a token to a device."""
        credentials = await _body(request, Credentials)
        token = await self._accounts.login(credentials)
        self._log("login", user=credentials.user, device=credentials.device)
        issued = {
            "token": token,
            "expires_in": self._accounts.token_ttl_s,
            "user": credentials.user,
            "device": credentials.device,
        }
        return answer(issued | ({"url": f"{self._advertised_url}/v1/ws"} if self._advertised_url else {}))

    async def archive(self, request: Request) -> Response:
        """Answer one page of everything the caller can see."""
        identity = await self._accounts.identify(bearer(request.headers))
        query = {name: value for name, value in request.query_params.items() if value}
        wanted = _checked(query | {"type": "sync", "ref": "archive"}, Sync)
        page = await self._messages.page(identity.user, wanted)
        return answer({"items": page.items, "cursor": page.cursor, "more": page.more})

    async def healthz(self, _: Request) -> Response:
        """Answer 200 when the database does, and 503 when it fails or is slow."""
        try:
            await asyncio.wait_for(self._messages.check(), HEALTH_WITHIN_S)
        except (sqlite3.Error, TimeoutError) as cause:
            self._log("unhealthy", cause=type(cause).__name__)
            return answer({"status": "database does not answer"}, 503)
        return answer({"status": "ok"})


async def _body(request: Request, shape: type[T]) -> T:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FRAME_BYTES:
            raise Refused("too_large", f"a request has at most {MAX_FRAME_BYTES} bytes")
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as wrong:
        raise Refused("bad_request", str(wrong)) from wrong


def _checked(query: Mapping[str, str], shape: type[T]) -> T:
    try:
        return msgspec.convert(query, shape, strict=False)
    except msgspec.ValidationError as wrong:
        raise Refused("bad_request", str(wrong)) from wrong
