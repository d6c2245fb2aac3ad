"""Requests over HTTP as a mapping describes them: one call is one request on a connection of its own."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import httpx2
import msgspec

from harness.drivers.api import Refused, Unknown
from harness.drivers.retry_after import wait_ms

CONNECT_LIMIT_S = 5.0
ANSWER_LIMIT_S = 5.0
FORM = "application/x-www-form-urlencoded"

_LIMITS = httpx2.Timeout(ANSWER_LIMIT_S, connect=CONNECT_LIMIT_S)
# Loading the system's certificates for every client would take a tenth of a second; plain HTTP needs none.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, filled in."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    json: Any = None
    form: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer whatever its status; ``body`` is None when it could not be decoded, empty when there was none."""

    status: int
    body: Any
    retry_after_ms: int | None

    @property
    def ok(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of statuses


async def ask(call: Call) -> Answered | Refused | Unknown:
    """Ask once. Without a connection nothing was sent, and that is a refusal."""
    verify = True if call.url.startswith("https") else _NO_CERTIFICATES
    try:
        async with httpx2.AsyncClient(trust_env=False, verify=verify, timeout=_LIMITS) as client:
            answer = await client.request(
                call.method,
                call.url,
                params=call.query or None,
                headers=call.headers,
                json=call.json,
                data=call.form,
            )
    except (httpx2.ConnectError, httpx2.ConnectTimeout):
        return Refused("connect_failed")
    except httpx2.TimeoutException:
        return Unknown("timeout")
    except httpx2.TransportError:
        return Unknown("connection_lost")
    retry_after = wait_ms(answer.headers, datetime.now(UTC))
    return Answered(answer.status_code, decoded(answer.content, answer.headers.get("Content-Type", "")), retry_after)


def decoded(content: bytes, kind: str) -> Any:
    """Decode a body as JSON, or as a form where it says so; None when it is neither."""
    if not content:
        return {}
    if kind.startswith(FORM):
        return form_fields(content.decode(errors="replace"))
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return None


def form_fields(text: str) -> dict[str, Any]:
    """Read ``a=1&b=2``; a name that comes more than once has a list."""
    fields: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        before = fields.get(name)
        fields[name] = value if before is None else [*(before if isinstance(before, list) else [before]), value]
    return fields
