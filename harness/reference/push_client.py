"""The HTTP request to a push provider: one call is one attempt. Loaded only by a service that has a provider."""

from __future__ import annotations

import asyncio
import re
import ssl

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
        return Answer(response.status_code, seconds(response.headers.get("retry-after", "")))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()


def seconds(retry_after: str) -> float:
    """Read a ``Retry-After`` in seconds; 0 for none, and for a date, which this provider never sends."""
    return float(retry_after) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", retry_after) else 0.0
