"""Requests of the Matrix client-server API: one call is one request, and its outcome is a value."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import httpx2
import msgspec

from harness.drivers.api import Refused, Unknown
from harness.drivers.retry_after import wait_ms

MEDIA = "/_matrix/media/r0"
CLIENT_V1 = "/_matrix/client/v1"
CLIENT = "/_matrix/client/r0"
"""Releases before 1.46 know no ``v3``; all since answer both."""
OK = 200
FILE = "application/octet-stream"
CONNECT_LIMIT_S = 5.0
ANSWER_LIMIT_S = 5.0
REJECTED_WITHOUT_EFFECT = frozenset({400, 401, 403, 404, 405, 409, 413, 415, 422, 429})
NOTHING: Mapping[str, str] = MappingProxyType({})

Json = dict[str, Any]

# Plain HTTP; loading the system's certificates for every client would take a tenth of a second.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_POOL = httpx2.Limits(max_connections=16, max_keepalive_connections=4)


class Http:
    """The connections of one device to a homeserver, kept from request to request until they are let go.

    After ``close`` every request makes a connection of its own, which ends with it.
    """

    def __init__(self) -> None:
        self._client: httpx2.AsyncClient | None = _client()

    async def request(
        self,
        method: str,
        url: str,
        *,
        json: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        params: Mapping[str, str] = NOTHING,
        token: str | None = None,
        answer_limit_s: float = ANSWER_LIMIT_S,
    ) -> Json | Refused | Unknown:
        """Ask once and return the answer's object; without a connection nothing was sent, and that is a refusal.

        ``content`` is a file in the place of an object; ``answer_limit_s`` the longest that the server may say nothing.
        """
        said = {"json": json, "content": content, "params": params}
        answer = await self._once(method, url, token, answer_limit_s, **said)
        return answer if isinstance(answer, Refused | Unknown) else outcome(*_parts(answer))

    async def fetch(self, url: str, token: str) -> bytes | Refused | Unknown:
        """Get a file."""
        answer = await self._once("GET", url, token, ANSWER_LIMIT_S)
        if isinstance(answer, Refused | Unknown):
            return answer
        if answer.status_code == OK:
            return answer.content
        failed = outcome(*_parts(answer))
        return failed if isinstance(failed, Refused | Unknown) else Unknown("bad_answer")

    async def _once(
        self, method: str, url: str, token: str | None, answer_limit_s: float, **said: Any
    ) -> httpx2.Response | Refused | Unknown:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Content-Type": FILE} if said.get("content") is not None else {}
        limits = httpx2.Timeout(answer_limit_s, connect=CONNECT_LIMIT_S)
        client = self._client or _client()
        try:
            return await client.request(method, url, headers=headers, timeout=limits, **said)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            return Refused("connect_failed")
        except httpx2.TimeoutException:
            return Unknown("timeout")
        except httpx2.TransportError:
            return Unknown("connection_lost")
        finally:
            if client is not self._client:
                await client.aclose()

    async def close(self) -> None:
        """Let the connections go."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


class ErrorBody(msgspec.Struct, frozen=True):
    """A standard error response, with what some codes bring along (client-server API, "Standard error response")."""

    errcode: str
    soft_logout: bool = False
    retry_after_ms: float | None = None


def outcome(status: int, content: bytes, headers: Mapping[str, str]) -> Json | Refused | Unknown:
    """Read an answer: an object, a refusal where the status says that nothing was done, else unknown."""
    if status // 100 == 2:  # noqa: PLR2004 - the class of successes
        body = _object(content)
        return Unknown("bad_answer", http_status=status) if body is None else body
    error = _error(content)
    asked_ms = _asked_ms(error, headers)
    if status in REJECTED_WITHOUT_EFFECT:
        return Refused(_code(status, error), http_status=status, retry_after_ms=asked_ms)
    return Unknown(_code(status, error), http_status=status, retry_after_ms=asked_ms)


def _parts(answer: httpx2.Response) -> tuple[int, bytes, Mapping[str, str]]:
    return answer.status_code, answer.content, answer.headers


def _client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(trust_env=False, verify=_NO_CERTIFICATES, limits=_POOL)


def _code(status: int, error: ErrorBody | None) -> str:
    """The server's own code; an access token that ended is told from a log-out, which refreshing does not mend."""
    if error is None:
        return f"http_{status}"
    if error.errcode == "M_UNKNOWN_TOKEN":
        return "token_expired" if error.soft_logout else "token_revoked"
    return error.errcode


def _asked_ms(error: ErrorBody | None, headers: Mapping[str, str]) -> int | None:
    """Milliseconds that the server asks to wait: in the body, finer, or in the header, in whole seconds."""
    if error is not None and error.retry_after_ms is not None:
        return round(error.retry_after_ms)
    return wait_ms(headers, datetime.now(UTC))


def _error(content: bytes) -> ErrorBody | None:
    try:
        return msgspec.json.decode(content, type=ErrorBody)
    except msgspec.DecodeError:
        return None


def _object(content: bytes) -> Json | None:
    try:
        return msgspec.json.decode(content, type=Json)
    except msgspec.DecodeError:
        return None
