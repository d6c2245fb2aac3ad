"""``unipush``: a push provider with the answers that real ones have in common.

``POST /v1/push {token, message_id, conversation_id}`` is answered 200 (accepted), 410 (unregistered), 429 with
Retry-After (throttled), 500 (server_error), or not at all (hang). Tokens are ``up.PERSON.DEVICE.RANDOM``: a simulator's
tokens may name their device. What it received is recorded by reference, never by token.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from harness.core.digests import secret_ref
from harness.history.recorder import Recorder
from harness.providers.rules import ANSWERS, Push, Rule, Rules

DISPLAY_AFTER_S = 0.02
HANG_S = 60.0
"""A client that waits longer than this is let go, as a load balancer would."""
RETRY_AFTER_S = 1.0
TOKEN_PARTS = 4
MAX_BODY = 64 * 1024
STATUS = {"accepted": 200, "accepted_never_shown": 200, "unregistered": 410, "throttled": 429, "server_error": 500}

Handler = Callable[[Request], Awaitable[Response]]


class Notification(msgspec.Struct, frozen=True):
    """What a backend asks to be shown; anything else that it sends is not looked at."""

    token: str
    message_id: str
    conversation_id: str

    @property
    def device(self) -> str:
        """The device that the token names; ``ValueError`` when it is no token of ours."""
        parts = self.token.split(".")
        if len(parts) != TOKEN_PARTS or parts[0] != "up":
            raise ValueError("no token of this provider")
        return f"{parts[1]}/{parts[2]}"


class Unipush:
    """The provider's two faces: what backends call, and what the harness controls it by."""

    def __init__(self, rules: Rules, recorder: Recorder, *, key: bytes) -> None:
        self._rules = rules
        self._recorder = recorder
        self._key = key
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._answers: Counter[str] = Counter()
        self._ids = itertools.count(1)
        self._displays: set[asyncio.Task[None]] = set()

    def push_app(self) -> Starlette:
        """Return what listens to backends."""
        return Starlette(routes=[Route("/v1/push", self._push, methods=["POST"]), Route("/healthz", _healthy)])

    def control_app(self, token: str) -> Starlette:
        """Return what listens to the harness; every request carries ``Authorization: Bearer TOKEN``."""

        def mine(handler: Handler) -> Handler:
            async def guarded(request: Request) -> Response:
                given = request.headers.get("authorization", "")
                if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
                    return _answer({"error": "unauthorized"}, 401)
                return await handler(request)

            return guarded

        return Starlette(
            routes=[
                Route("/control/rules", mine(self._show), methods=["GET"]),
                Route("/control/rules/{id}", mine(self._put), methods=["PUT"]),
                Route("/control/rules/{id}", mine(self._remove), methods=["DELETE"]),
                Route("/control/rules/{id}/hits", mine(self._hits), methods=["GET"]),
                Route("/control/received", mine(self._received), methods=["GET"]),
            ]
        )

    async def _push(self, request: Request) -> Response:
        try:
            wanted = msgspec.json.decode(await _body(request), type=Notification)
            device = wanted.device
        except (msgspec.MsgspecError, ValueError):
            return _answer({"error": "bad_request"}, 400)
        except ClientDisconnect:
            return Response()
        self._attempts[wanted.token, wanted.message_id] += 1
        push = Push(device, wanted.message_id, self._attempts[wanted.token, wanted.message_id])
        rule = self._rules.answer(push)
        self._answers[rule.answer] += 1
        return await self._carry_out(rule, wanted, push)

    async def _carry_out(self, rule: Rule, wanted: Notification, push: Push) -> Response:
        request_id = f"push-{next(self._ids)}"
        status = STATUS.get(rule.answer)
        retry_after_s = None
        if rule.answer == "throttled":
            retry_after_s = max(1, math.ceil(RETRY_AFTER_S if rule.retry_after_s is None else rule.retry_after_s))
        self._record(rule, wanted, push, request_id=request_id, http_status=status, retry_after_s=retry_after_s)
        if status is None:
            await asyncio.sleep(HANG_S)
            return _answer({"error": "timeout"}, 504)
        if rule.answer == "accepted":
            self._display_soon(wanted, push)
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        return _answer({"id": request_id} if status == STATUS["accepted"] else {"error": rule.answer}, status, headers)

    def _record(
        self,
        rule: Rule,
        wanted: Notification,
        push: Push,
        *,
        request_id: str,
        http_status: int | None,
        retry_after_s: int | None,
    ) -> None:
        self._recorder.record(
            "push_sent" if http_status == STATUS["accepted"] else "push_failed",
            provider="unipush",
            provider_answer=rule.answer,
            http_status=http_status,
            retry_after_ms=None if retry_after_s is None else retry_after_s * 1000,
            request_id=request_id,
            attempt=push.attempt,
            **self._common(wanted, push),
        )

    def _display_soon(self, wanted: Notification, push: Push) -> None:
        async def display() -> None:
            await asyncio.sleep(DISPLAY_AFTER_S)
            self._recorder.record("push_displayed", provider="unipush", **self._common(wanted, push))

        task = asyncio.create_task(display())
        self._displays.add(task)
        task.add_done_callback(self._displays.discard)

    def _common(self, wanted: Notification, push: Push) -> dict[str, Any]:
        return {
            "message_id": wanted.message_id,
            "conversation_id": wanted.conversation_id,
            "device": push.device,
            "push_ref": secret_ref(self._key, wanted.token),
        }

    async def _show(self, _: Request) -> Response:
        return _answer({"answers": ANSWERS, "rules": self._rules.in_force})

    async def _put(self, request: Request) -> Response:
        try:
            rule = msgspec.json.decode(await _body(request), type=Rule)
        except (msgspec.MsgspecError, ValueError) as problem:
            return _answer({"error": str(problem)}, 400)
        self._rules.put(request.path_params["id"], rule)
        return _answer(rule)

    async def _remove(self, request: Request) -> Response:
        self._rules.remove(request.path_params["id"])
        return Response(status_code=204)

    async def _hits(self, request: Request) -> Response:
        return _answer({"hits": self._rules.hits(request.path_params["id"])})

    async def _received(self, _: Request) -> Response:
        return _answer({"answers": self._answers, "tokens": len({token for token, _ in self._attempts})})


async def _healthy(_: Request) -> Response:
    return _answer({"status": "ok"})


async def _body(request: Request) -> bytes:
    """Read a body, but no more than any request of ours needs; raises ``ValueError`` beyond."""
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > MAX_BODY:
            raise ValueError("the body is too large")
    return bytes(read)


def _answer(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")
