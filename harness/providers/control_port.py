"""The control port of a simulator: its rules and what it has received, behind a token of its own."""

from __future__ import annotations

import hmac
import json
import re
from http import HTTPStatus

from harness.providers.http_server import json_response
from harness.providers.received import Received
from harness.providers.rules import BadRule, Rules, rule_as_data, rule_from_data
from harness.proxy.http_wire import Request, Response

_ID = re.compile(r"[\w.~-]{1,128}", re.ASCII)


class ControlPort:
    """Answers control requests.

    ``GET /control/rules`` · ``PUT`` and ``DELETE /control/rules/ID`` · ``GET /control/rules/ID/hits`` ·
    ``GET /control/received``. Errors are ``{"error"}`` with 400, 401, 404 or 405.
    """

    def __init__(self, token: str, rules: Rules, received: Received) -> None:
        self._expected = f"Bearer {token}".encode()
        self._rules = rules
        self._received = received

    def answer(self, request: Request) -> Response:
        """Return the answer; it has taken effect by then."""
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), self._expected):
            return _error(HTTPStatus.UNAUTHORIZED, "this is not the control token")
        match request.path.split("/")[1:]:
            case ["control", "rules"]:
                return self._show(request)
            case ["control", "rules", id] if _ID.fullmatch(id):
                return self._change(request, id)
            case ["control", "rules", id, "hits"] if _ID.fullmatch(id):
                return json_response(200, {"hits": self._rules.hits(id)})
            case ["control", "received"]:
                return json_response(200, self._received.as_data())
        return _error(HTTPStatus.NOT_FOUND, "there is nothing of this name")

    def _show(self, request: Request) -> Response:
        if request.method != "GET":
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, "rules are read by GET")
        return json_response(200, {"rules": [rule_as_data(rule) for rule in self._rules.all()]})

    def _change(self, request: Request, id: str) -> Response:
        if request.method == "DELETE":
            self._rules.remove(id)
            return Response(HTTPStatus.NO_CONTENT)
        if request.method != "PUT":
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, "a rule is changed by PUT or DELETE")
        try:
            rule = rule_from_data(json.loads(request.body), id=id)
            self._rules.put(rule)
        except (BadRule, ValueError, RecursionError) as problem:
            return _error(HTTPStatus.BAD_REQUEST, f"no rule: {problem}" if isinstance(problem, BadRule) else "no JSON")
        return json_response(200, rule_as_data(rule))


def _error(status: HTTPStatus, text: str) -> Response:
    return json_response(status, {"error": text})
