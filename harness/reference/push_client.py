"""The HTTP request to a push provider: one call is one attempt. Loaded only by a service that has a provider."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx2

from harness.reference.push import Answer
from harness.reference.push_store import Job

ANSWER_WITHIN_S = 1.0


class PushClient:
    """Speaks ``POST /v1/push`` with the provider at ``url``."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/v1/push"
        # The provider speaks plain HTTP; loading the system's certificates would only cost time.
        no_certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._http = httpx2.AsyncClient(trust_env=False, verify=no_certificates, timeout=ANSWER_WITHIN_S)

    async def ask(self, job: Job) -> Answer:
        """Push once; no answer in time, or no connection, is an answer without status."""
        body = {"token": job.token, "message_id": job.message_id, "conversation_id": job.conversation_id}
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                response = await self._http.post(self._url, json=body)
        except (TimeoutError, httpx2.HTTPError):
            return Answer()
        return Answer(response.status_code, wait_s(response.headers, time.time()))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()


def wait_s(headers: Mapping[str, str], now_s: float) -> float:
    """Read ``Retry-After``, seconds or a date (RFC 9110, 10.2.3); 0 when it asks nothing.

    A date counts from the answer's own ``Date``, and only without one from ``now_s``: clocks differ.
    """
    asked = headers.get("Retry-After", "")
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", asked):
        return float(asked)
    until_s, since_s = _date_s(asked), _date_s(headers.get("Date", ""))
    return 0.0 if until_s is None else max(0.0, until_s - (now_s if since_s is None else since_s))


def _date_s(text: str) -> float | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
