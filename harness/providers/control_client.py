"""Calls to a control port: one request each, past every proxy, with a time-out and without a retry."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from harness.core.errors import ControlUnavailable

CALL_WITHIN_S = 3.0
_LONGEST_REASON = 200


class ControlClient:
    """A control port at ``url`` with its token; ``who`` names it in errors (``the control port of service chat``)."""

    def __init__(self, url: str, token: str, who: str) -> None:
        self._address = urlsplit(url).netloc
        self._token = token
        self._who = who

    async def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Send one request and return the JSON of its 2xx answer, None when that is empty.

        Raises ``ControlUnavailable`` for any other answer, and when there is none in time: whether the command took
        effect is then unknown.
        """
        try:
            status, content, _ = await asyncio.to_thread(self._exchange, method, path, body)
            data = json.loads(content) if content else None
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise ControlUnavailable(f"{self._who} did not answer {method} {path}: {_reason(problem)}") from None
        if status // 100 != HTTPStatus.OK // 100:
            told = str(data)[:_LONGEST_REASON]
            raise ControlUnavailable(f"{self._who} answered {method} {path} with status {status}: {told}")
        return data

    async def header(self, path: str, name: str) -> str:
        """Return a header of the answer to a GET, empty when it has none; raises ``ControlUnavailable`` without one."""
        try:
            _, _, headers = await asyncio.to_thread(self._exchange, "GET", path, None)
        except (OSError, http.client.HTTPException) as problem:
            raise ControlUnavailable(f"{self._who} did not answer GET {path}: {_reason(problem)}") from None
        return headers.get(name, "")

    def unlike(self, path: str) -> ControlUnavailable:
        """Return the error for an answer that is not as documented."""
        return ControlUnavailable(f"{self._who} answered {path} with something else than documented")

    def _exchange(self, method: str, path: str, body: Mapping[str, object] | None) -> tuple[int, bytes, Message]:
        connection = http.client.HTTPConnection(self._address, timeout=CALL_WITHIN_S)
        headers = {"Authorization": f"Bearer {self._token}", "Connection": "close"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()


def _reason(problem: Exception) -> str:
    if isinstance(problem, TimeoutError):
        return f"no answer within {CALL_WITHIN_S:g} s"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror.lower()
    return type(problem).__name__
