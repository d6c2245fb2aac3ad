"""unipush, a simulated push provider: ``python -m harness.providers.unipush`` (``harness.providers.settings``).

``POST /v1/push {token, message_id, conversation_id}`` answers 200 ``{id}``; as rules say also 410 ``unregistered``,
429 ``throttled`` with Retry-After, 500 ``server_error`` (503 when the rule has a Retry-After), or nothing at all
(``hang``). ``accepted_never_shown`` is a 200 that no device ever sees. 400 is no push. It models what
Firebase, APNs and the like have in common; no real provider's protocol is claimed.
"""

from __future__ import annotations

import json
import re
import sys
from http import HTTPStatus

from harness.core.seeds import Seed
from harness.history.recorder import Recorder
from harness.providers.api import ProviderKind
from harness.providers.http_server import json_response
from harness.providers.process import main
from harness.providers.pushing import TAKEN, Answer, Desk, Push
from harness.providers.settings import Settings
from harness.providers.tokens import device_of
from harness.proxy.http_wire import Request, Response

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


class NoPush(Exception):
    """The request is not as documented; the text says what is wrong."""


class UniPush:
    """Answers pushes by the rules in force and records each as an event."""

    def __init__(self, settings: Settings, recorder: Recorder, seed: Seed) -> None:
        self._desk = Desk(KIND.answers, settings, recorder, seed)
        self.rules = self._desk.rules
        self.received = self._desk.received

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
        self._desk.finish()

    def _settle(self, push: Push) -> Response | None:
        answer = self._desk.decide(push.device)
        status = _status(answer)
        self._desk.settle(push, answer, status)
        return None if status is None else _response(answer, status)


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


def _status(answer: Answer) -> int | None:
    if answer.name == "server_error" and answer.retry_after_s is not None:
        return HTTPStatus.SERVICE_UNAVAILABLE
    return STATUSES.get(answer.name)


def _response(answer: Answer, status: int) -> Response:
    if answer.name in TAKEN:
        return json_response(status, {"id": answer.request_id})
    return json_response(status, {"error": answer.name}, answer.headers)


if __name__ == "__main__":
    sys.exit(main(KIND.kind, UniPush))
