"""Answers of REST v4: the HTTP status is 200 whatever has happened (document 1047/34348)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

Json = dict[str, Any]
MAX_BYTES = 1024 * 1024

INTERNAL = 91000
BAD_JSON, NO_RECIPIENT, NO_ACCOUNT = 90001, 90003, 70107


class Refusal(Exception):
    """A request that is not carried out, with the documented code."""

    def __init__(self, code: int, info: str) -> None:
        super().__init__(info)
        self.code = code
        self.info = info


def ok(facts: Mapping[str, Any] | None = None) -> Response:
    """Return the answer to a request that was carried out."""
    return _answer({"ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0, **(facts or {})})


def fail(code: int, info: str) -> Response:
    """Return the answer to a request that was not."""
    return _answer({"ActionStatus": "FAIL", "ErrorInfo": info, "ErrorCode": code})


async def on_refusal(_: Request, refusal: Exception) -> Response:
    """Answer a request whose handler raised ``Refusal``."""
    if not isinstance(refusal, Refusal):
        raise refusal
    return fail(refusal.code, refusal.info)


async def on_storage_failed(_: Request, cause: Exception) -> Response:  # noqa: ARG001 - the signature of a handler
    """Answer a request that the database failed."""
    return fail(INTERNAL, "internal error")


async def body_of(request: Request) -> Json:
    """Read a request's JSON object; raises ``Refusal``."""
    content = await request.body()
    if len(content) > MAX_BYTES:
        raise Refusal(93000, "the JSON packet is too long")
    try:
        return msgspec.json.decode(content, type=Json)
    except msgspec.DecodeError:
        raise Refusal(BAD_JSON, "the JSON cannot be parsed") from None


def text_of(body: Json, name: str, code: int) -> str:
    """Return a text field of a request; raises ``Refusal`` with ``code`` when there is none."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Refusal(code, f"{name} is missing or no text")
    return value


def number_of(body: Json, name: str, code: int, default: int | None = None) -> int:
    """Return a number of a request that fits into 32 bits without a sign; raises ``Refusal`` with ``code``."""
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 32:
        raise Refusal(code, f"{name} is missing or no 32-bit number")
    return value


def _answer(facts: Mapping[str, Any]) -> Response:
    return Response(msgspec.json.encode(facts), media_type="application/json")
