"""What the HTTP endpoints share: answers, errors, bodies and whoever calls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from harness.reference.frames import MAX_FRAME_BYTES, TOO_DEEP, Refused, to_json

UNAVAILABLE = "unavailable"
_STATUS = {
    "bad_request": 400,
    "bad_credentials": 401,
    "unauthorized": 401,
    "token_expired": 401,
    "token_revoked": 401,
    "refresh_rejected": 401,
    "not_a_member": 403,
    "unknown_recipient": 404,
    "unknown_group": 404,
    "user_exists": 409,
    "id_reused": 409,
    "too_large": 413,
    "unsupported_type": 415,
    "rate_limited": 429,
}

T = TypeVar("T")


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer."""
    return Response(to_json(value), status, headers, media_type="application/json")


def refusal(refused: Refused) -> Response:
    """Return the answer for a refused request: ``{"code", "message"}`` with its status."""
    facts: dict[str, object] = {"code": refused.code, "message": refused.message}
    if refused.retry_after_ms is None:
        return answer(facts, _STATUS[refused.code])
    headers = {"Retry-After": str(max(1, math.ceil(refused.retry_after_ms / 1000)))}
    return answer(facts | {"retry_after_ms": refused.retry_after_ms}, _STATUS[refused.code], headers)


async def on_refused(_: Request, refused: Exception) -> Response:
    """Answer a request whose handler raised ``Refused``."""
    if not isinstance(refused, Refused):
        raise refused
    return refusal(refused)


async def on_storage_failed(_: Request, cause: Exception) -> Response:  # noqa: ARG001 - the signature of a handler
    """Answer a request that the database failed."""
    return unavailable()


def unavailable() -> Response:
    """Return the answer for a request that the database failed."""
    text = "the service could not do it; whether anything was stored is unknown"
    return answer({"code": UNAVAILABLE, "message": text}, 503)


def bearer(headers: Mapping[str, str]) -> str:
    """Return the token of an ``Authorization: Bearer`` header; raises ``Refused`` without one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused("unauthorized", "an Authorization header with a Bearer token is needed")
    return token


async def body_of(request: Request, shape: type[T]) -> T:
    """Read a request's body; raises ``Refused`` for one that is too large or not as documented."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_FRAME_BYTES:
                raise Refused("too_large", f"a request has at most {MAX_FRAME_BYTES} bytes")
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as wrong:
        raise Refused("bad_request", str(wrong)) from wrong
    except RecursionError:
        raise Refused("bad_request", TOO_DEEP) from None
    except ClientDisconnect:  # nobody hears the answer, and nothing was done
        raise Refused("bad_request", "the body ended early") from None


def query_of(request: Request, shape: type[T], **fixed: str) -> T:
    """Read a request's query; raises ``Refused`` for one that is not as documented."""
    query = {name: value for name, value in request.query_params.items() if value}
    try:
        return msgspec.convert(query | fixed, shape, strict=False)
    except msgspec.ValidationError as wrong:
        raise Refused("bad_request", str(wrong)) from wrong
