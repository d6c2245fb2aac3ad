"""The HTTP side of the reference protocol: one call is one request, by default on a connection of its own."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import httpx2
import msgspec

from harness.drivers.api import Refused, Unknown
from harness.drivers.retry_after import wait_ms

CONNECT_LIMIT_S = 5.0
ANSWER_LIMIT_S = 5.0
REJECTED_WITHOUT_EFFECT = frozenset({400, 401, 403, 404, 409, 413, 415, 422, 429})

Client = httpx2.AsyncClient
Json = dict[str, Any]

# The backend speaks plain HTTP; loading the system's certificates for every client would take a tenth of a second.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_LIMITS = httpx2.Timeout(ANSWER_LIMIT_S, connect=CONNECT_LIMIT_S)


def new_client() -> Client:
    """Return a client for several requests, to be entered."""
    return Client(trust_env=False, verify=_NO_CERTIFICATES, timeout=_LIMITS)


async def request(
    method: str,
    url: str,
    *,
    json: Mapping[str, Any] | None = None,
    params: Mapping[str, str] | None = None,
    token: str | None = None,
    client: Client | None = None,
) -> Json | Refused | Unknown:
    """Ask once and return the answer's object, an empty one where it has none.

    Without a connection nothing was sent, and that is a refusal. A ``client`` keeps its connections for the next
    requests, which is for ways that no fault touches: a kept connection may be dead.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else None
    try:
        async with new_client() if client is None else nullcontext(client) as asking:
            answer = await asking.request(method, url, json=json, params=params, headers=headers)
    except (httpx2.ConnectError, httpx2.ConnectTimeout):
        return Refused("connect_failed")
    except httpx2.TimeoutException:
        return Unknown("timeout")
    except httpx2.TransportError:
        return Unknown("connection_lost")
    return _outcome(answer)


def refusal(status: int, code: str, headers: Mapping[str, str]) -> Refused | Unknown:
    """Read an error status: a refusal when it is known to leave nothing behind, else unknown."""
    retry_after_ms = wait_ms(headers, datetime.now(UTC))
    if status in REJECTED_WITHOUT_EFFECT:
        return Refused(code, http_status=status, retry_after_ms=retry_after_ms)
    return Unknown(code, http_status=status, retry_after_ms=retry_after_ms)


def error_code(status: int, content: bytes) -> str:
    """Return the code that an error's body names, or one made of its status."""
    return str((_object(content) or {}).get("code", f"http_{status}"))


def _outcome(answer: httpx2.Response) -> Json | Refused | Unknown:
    body = _object(answer.content or b"{}")
    if answer.is_success:
        return Unknown("bad_answer", http_status=answer.status_code) if body is None else body
    code = error_code(answer.status_code, answer.content)
    return refusal(answer.status_code, code, answer.headers)


def _object(content: bytes) -> Json | None:
    try:
        return msgspec.json.decode(content, type=Json)
    except msgspec.DecodeError:
        return None
