"""unipush, a simulated push provider: ``python -m harness.providers.unipush`` (``harness.providers.settings``).

``POST /v1/push {token, message_id, conversation_id}`` answers 200 ``{id}``; as rules say also 410 ``unregistered``,
429 ``throttled`` with Retry-After, 500 ``server_error`` (503 when the rule has a Retry-After), or nothing at all
(``hang``). ``accepted_never_shown`` is a 200 that no device ever sees. 400 is no push. It models what
Firebase, APNs and the like have in common; no real provider's protocol is claimed.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import secrets
import sys
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from harness.core.digests import secret_ref
from harness.core.seeds import Seed
from harness.history.recorder import Recorder
from harness.providers.api import ProviderKind, PushRule
from harness.providers.http_server import json_response
from harness.providers.process import main
from harness.providers.received import Received
from harness.providers.rules import Rules
from harness.providers.settings import Settings
from harness.providers.tokens import device_of
from harness.proxy.http_wire import Request, Response

SHOWN_AFTER_S = 0.02
"""From the answer to the moment at which the device shows the notification."""
THROTTLED_FOR_S = 1.0
"""What a throttled answer asks for when its rule does not say."""

ACCEPTED = ("accepted", "accepted_never_shown")
STATUSES = {
    "accepted": HTTPStatus.OK,
    "accepted_never_shown": HTTPStatus.OK,
    "unregistered": HTTPStatus.GONE,
    "throttled": HTTPStatus.TOO_MANY_REQUESTS,
    "server_error": HTTPStatus.INTERNAL_SERVER_ERROR,
}
KIND = ProviderKind(
    kind="unipush",
    summary="push provider with device tokens: accepts, refuses, throttles, fails, hangs, or loses what it accepted",
    run=("-P", "-m", "harness.providers.unipush"),
    answers=("accepted", "unregistered", "throttled", "server_error", "hang", "accepted_never_shown"),
)

_FIELDS = ("token", "message_id", "conversation_id")
_LONGEST = 512
_FIELD_NAME = re.compile("[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class Push:
    """One request, understood; ``others`` are the names of fields that have no business there."""

    token: str
    device: str
    message_id: str
    conversation_id: str
    others: tuple[str, ...]


class NoPush(Exception):
    """The request is not as documented; the text says what is wrong."""


class UniPush:
    """Answers pushes by the rules in force and records each as an event."""

    def __init__(self, settings: Settings, recorder: Recorder, seed: Seed) -> None:
        self.rules = Rules(KIND.answers, seed)
        self.received = Received()
        self._recorder = recorder
        self._key = settings.key
        self._provider = settings.provider
        self._shown_later: dict[asyncio.TimerHandle, dict[str, Any]] = {}

    def answer(self, request: Request) -> Response | None:
        """Answer one request; None when it is to hang."""
        if request.path == "/healthz":
            return json_response(200, {"status": "ok"})
        if request.path != "/v1/push":
            return json_response(404, {"error": "not_found"})
        if request.method != "POST":
            return json_response(405, {"error": "method_not_allowed"})
        try:
            push = _read(request.body)
        except NoPush as wrong:
            self.received.malformed()
            return json_response(400, {"error": "bad_request", "message": str(wrong)})
        return self._settle(push)

    def finish(self) -> None:
        """Show what was about to be shown."""
        for handle, facts in self._shown_later.items():
            handle.cancel()
            self._recorder.record("push_displayed", **facts)

    def _settle(self, push: Push) -> Response | None:
        rule = self.rules.decide(push.device)
        answer = "accepted" if rule is None else rule.answer
        push_ref = secret_ref(self._key, push.token)
        retry_after_s = _retry_after_s(answer, rule)
        status = _status(answer, retry_after_s)
        facts: dict[str, Any] = {
            "device": push.device,
            "message_id": push.message_id,
            "conversation_id": push.conversation_id,
            "push_ref": push_ref,
            "provider": self._provider,
            "request_id": f"up-{secrets.token_hex(8)}",
        }
        self._recorder.record(
            "push_sent" if answer in ACCEPTED else "push_failed",
            **facts,
            attempt=self.received.attempt(push_ref, push.message_id),
            provider_answer=answer,
            http_status=status,
            retry_after_ms=None if retry_after_s is None else retry_after_s * 1000,
            detail={"unexpected_fields": ",".join(push.others)} if push.others else None,
        )
        self.received.answered(push_ref, push.device, answer)
        if answer == "accepted":
            self._show_later(facts)
        return _response(answer, status, retry_after_s, facts["request_id"])

    def _show_later(self, facts: dict[str, Any]) -> None:
        def show() -> None:
            del self._shown_later[handle]
            self._recorder.record("push_displayed", **facts)

        handle = asyncio.get_running_loop().call_later(SHOWN_AFTER_S, show)
        self._shown_later[handle] = facts


def _read(body: bytes) -> Push:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise NoPush("the body is no JSON") from None
    if not isinstance(data, dict):
        raise NoPush("the body is no object")
    for name in _FIELDS:
        value = data.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not value.isprintable():
            raise NoPush(f"{name} is no text of 1 to {_LONGEST} characters")
    device = device_of(data["token"])
    if device is None:
        raise NoPush("token is not one of this provider's")
    # A backend that puts texts into its pushes is found by the names; what stands in them is nobody's business here.
    others = sorted({name if _FIELD_NAME.fullmatch(name) else "?" for name in data if name not in _FIELDS})
    return Push(data["token"], device, data["message_id"], data["conversation_id"], tuple(others))


def _retry_after_s(answer: str, rule: PushRule | None) -> int | None:
    """Whole seconds, as the header wants them (RFC 9110, 10.2.3)."""
    asked = None if rule is None else rule.retry_after_s
    if answer == "throttled" and asked is None:
        asked = THROTTLED_FOR_S
    return max(1, math.ceil(asked)) if asked is not None and answer in {"throttled", "server_error"} else None


def _status(answer: str, retry_after_s: int | None) -> int | None:
    if answer == "server_error" and retry_after_s is not None:
        return HTTPStatus.SERVICE_UNAVAILABLE
    return STATUSES.get(answer)


def _response(answer: str, status: int | None, retry_after_s: int | None, request_id: str) -> Response | None:
    if status is None:
        return None
    if answer in ACCEPTED:
        return json_response(status, {"id": request_id})
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return json_response(status, {"error": answer}, headers)


if __name__ == "__main__":
    sys.exit(main(KIND.kind, UniPush))
