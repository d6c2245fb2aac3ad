"""Webhooks: the app's server is asked before a message and told after it (document 1047/34354)."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Coroutine, Mapping
from typing import Any

import httpx2
import msgspec

from harness.reference.clock import Clock
from harness.reference.log import Log
from harness.tencent_simulator.answers import Json, Refusal
from harness.tencent_simulator.settings import Webhook

ANSWER_WITHIN_S = 2.0
"""Documented, and not to be changed."""
FORBIDDEN, BROKEN = 20006, 90992
OWN_RULES = range(120001, 130001)
PLATFORMS = {"ios": "iOS", "android": "Android", "macos": "Mac", "windows": "Windows", "ipados": "iPad", "web": "Web"}
REST = "RESTAPI"

# Webhooks go to plain HTTP addresses only; loading the system's certificates would cost time.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Verdict(msgspec.Struct, frozen=True):
    """What the app answers to the question before a message."""

    code: int = msgspec.field(name="ErrorCode")
    body: list[Json] | None = msgspec.field(default=None, name="MsgBody")
    custom: str | None = msgspec.field(default=None, name="CloudCustomData")


class Webhooks:
    """Asks and tells the app; without an address nobody is asked and everything allowed."""

    def __init__(self, settings: Webhook | None, sdkappid: int, clock: Clock, log: Log) -> None:
        self._settings = settings
        self._sdkappid = sdkappid
        self._clock = clock
        self._log = log
        self._client = httpx2.AsyncClient(trust_env=False, verify=_NO_CERTIFICATES, timeout=ANSWER_WITHIN_S)
        self._tasks: set[asyncio.Task[None]] = set()

    async def before(self, command: str, facts: Mapping[str, Any]) -> Verdict:
        """Ask whether a message may go, and in which words; raises ``Refusal`` when it may not."""
        settings = self._settings
        if settings is None:
            return Verdict(0)
        verdict = await self._ask(settings, command, facts, REST)
        if verdict is None and settings.lets_pass:
            return Verdict(0)
        if verdict is None:
            raise Refusal(BROKEN, "the app's webhook did not answer as it should")
        if verdict.code:
            code = verdict.code if verdict.code in OWN_RULES else FORBIDDEN
            raise Refusal(code, "the app's webhook forbade the message")
        return verdict

    def after(self, command: str, facts: Mapping[str, Any], platform: str = REST) -> None:
        """Tell what has happened; whether anybody hears it makes no difference."""
        if self._settings is not None:
            self._keep(self._tell(self._settings, command, facts, platform))

    async def close(self) -> None:
        """Tell nothing more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    def _keep(self, telling: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(telling)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, settings: Webhook, command: str, facts: Mapping[str, Any], platform: str) -> None:
        await self._ask(settings, command, facts, platform)

    async def _ask(self, settings: Webhook, command: str, facts: Mapping[str, Any], platform: str) -> Verdict | None:
        query = {"SdkAppid": str(self._sdkappid), "CallbackCommand": command, "contenttype": "json"}
        query |= {"ClientIP": "127.0.0.1", "OptPlatform": platform, **self._signature(settings.token)}
        body = msgspec.json.encode({"CallbackCommand": command, **facts})
        headers = {"Content-Type": "application/json"}
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                answer = await self._client.post(settings.url, params=query, content=body, headers=headers)
            return msgspec.json.decode(answer.content, type=Verdict)
        except (TimeoutError, httpx2.HTTPError, msgspec.DecodeError) as cause:
            self._log("webhook_failed", command=command, cause=type(cause).__name__)
            return None

    def _signature(self, token: str) -> Json:
        """What shows the app that it is asked by the service; the body is not signed."""
        if not token:
            return {}
        now = str(self._clock() // 1000)
        return {"RequestTime": now, "Sign": hashlib.sha256(f"{token}{now}".encode()).hexdigest()}
