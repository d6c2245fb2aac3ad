"""A simulated Matrix push gateway: ``python -m harness.providers.matrix_push`` (``harness.providers.settings``).

It speaks the Push Gateway API (https://spec.matrix.org/latest/push-gateway-api/): ``POST /_matrix/push/v1/notify``
with one notification for one or several push keys answers 200 ``{"rejected": [PUSHKEY…]}``. As rules say, a push key
is rejected (``unregistered``), or the request is answered 429 ``throttled`` with Retry-After, 500 ``server_error``
(503 when the rule has a Retry-After), or never (``hang``). ``accepted_never_shown`` is a 200 that no device ever sees.
What carries no event (a change of the unread count) is answered and not counted as a push of a message.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from harness.core.seeds import Seed
from harness.history.recorder import Recorder
from harness.providers.api import ProviderKind
from harness.providers.http_server import json_response
from harness.providers.process import main
from harness.providers.pushing import TAKEN, Answer, Desk, Push
from harness.providers.settings import Settings
from harness.providers.tokens import device_of
from harness.proxy.http_wire import Request, Response

KIND = ProviderKind(
    kind="matrix_push",
    summary="Matrix push gateway: accepts, rejects push keys, throttles, fails, hangs, or loses what it accepted",
    run=("-P", "-m", "harness.providers.matrix_push"),
    answers=("accepted", "unregistered", "throttled", "server_error", "hang", "accepted_never_shown"),
)
NOTIFY = "/_matrix/push/v1/notify"
WITHOUT_CONTENT = frozenset({"event_id", "room_id", "counts", "prio", "devices"})
"""What a notification has in the format ``event_id_only`` (push gateway API, "Notification")."""

_FIELD_NAME = re.compile("[a-z][a-z0-9_]{0,31}")
_LONGEST = 512


class NoPush(Exception):
    """The request is not as the specification says; the text says what is wrong."""


class MatrixPush:
    """Answers notifications by the rules in force and records each push key of each as an event."""

    def __init__(self, settings: Settings, recorder: Recorder, seed: Seed) -> None:
        self._desk = Desk(KIND.answers, settings, recorder, seed)
        self.rules = self._desk.rules
        self.received = self._desk.received

    def answer(self, request: Request) -> Response | None:
        """Answer one request; None when it is to hang."""
        if request.path == "/healthz":
            return json_response(200, {"status": "ok"})
        if request.path != NOTIFY:
            return _error(HTTPStatus.NOT_FOUND, "M_UNRECOGNIZED")
        if request.method != "POST":
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, "M_UNRECOGNIZED")
        try:
            pushes = _read(request.body)
        except NoPush as wrong:
            self.received.malformed()
            return _error(HTTPStatus.BAD_REQUEST, "M_BAD_JSON", str(wrong))
        return self._settle(pushes)

    def finish(self) -> None:
        """Show what was about to be shown."""
        self._desk.finish()

    def _settle(self, pushes: Sequence[Push]) -> Response | None:
        """A refusal of the request is one for all its push keys; otherwise each is taken or rejected by itself."""
        answers = [self._desk.decide(push.device) for push in pushes]
        refusal = next((answer for answer in answers if _status(answer) != HTTPStatus.OK), None)
        rejected = []
        for push, own in zip(pushes, answers, strict=True):
            answer = refusal or own
            self._desk.settle(push, answer, _status(answer))
            if answer.name not in TAKEN:
                rejected.append(push.token)
        return json_response(HTTPStatus.OK, {"rejected": rejected}) if refusal is None else _refused(refusal)


def _status(answer: Answer) -> int | None:
    match answer.name:
        case "throttled":
            return HTTPStatus.TOO_MANY_REQUESTS
        case "server_error":
            return HTTPStatus.INTERNAL_SERVER_ERROR if answer.retry_after_s is None else HTTPStatus.SERVICE_UNAVAILABLE
        case "hang":
            return None
        case _:
            return HTTPStatus.OK


def _refused(answer: Answer) -> Response | None:
    status = _status(answer)
    if status is None:
        return None
    return _error(status, "M_LIMIT_EXCEEDED" if answer.name == "throttled" else "M_UNKNOWN", headers=answer.headers)


def _error(status: int, code: str, text: str = "", headers: Mapping[str, str] | None = None) -> Response:
    return json_response(status, {"errcode": code, "error": text or code}, headers)


def _read(body: bytes) -> list[Push]:
    """The pushes of a notification; none where it is not about an event."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise NoPush("the body is no JSON") from None
    notification = data.get("notification") if isinstance(data, dict) else None
    if not isinstance(notification, dict):
        raise NoPush("there is no notification")
    devices = notification.get("devices")
    if not isinstance(devices, list) or not devices:
        raise NoPush("devices is no list of devices")
    keys = [_push_key(device) for device in devices]
    if not notification.get("event_id"):
        return []
    ids = {name: _text(notification, name) for name in ("event_id", "room_id")}
    others = sorted({_shown(name) for name in notification.keys() - WITHOUT_CONTENT})
    return [Push(key, _device(key), ids["event_id"], ids["room_id"], tuple(others)) for key in keys]


def _push_key(device: object) -> str:
    key = device.get("pushkey") if isinstance(device, dict) else None
    if not isinstance(key, str):
        raise NoPush("a device has no pushkey")
    return key


def _device(key: str) -> str:
    device = device_of(key)
    if device is None:
        raise NoPush("a pushkey is not one of this gateway's")
    return device


def _text(notification: Mapping[str, Any], name: str) -> str:
    value = notification.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not value.isprintable():
        raise NoPush(f"{name} is no text of 1 to {_LONGEST} characters")
    return value


def _shown(name: str) -> str:
    """A server that puts texts into its pushes is found by the names; what stands in them is nobody's business."""
    return name if _FIELD_NAME.fullmatch(name) else "?"


if __name__ == "__main__":
    sys.exit(main(KIND.kind, MatrixPush))
