"""Webhooks: the app is asked before a message and told after it."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

pytestmark = pytest.mark.slow

PATIENCE_S = 20.0
ALLOWED = {"ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0}


class App:
    """An app's server: what it was told, by command, and what it answers before a message (None: nothing)."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.verdict: dict[str, Any] | None = ALLOWED
        self.hung = threading.Event()
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """Take note, and answer."""
                query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                app.told.append((query["CallbackCommand"], query, body))
                if "Before" in query["CallbackCommand"] and app.verdict is None:
                    app.hung.wait(PATIENCE_S)
                    return
                content = json.dumps(app.verdict if "Before" in query["CallbackCommand"] else ALLOWED).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def of(self, command: str) -> list[dict[str, Any]]:
        """What it was told by one command."""
        return [body for told, _, body in self.told if told == command]

    def hears(self, command: str, number: int = 1) -> list[dict[str, Any]]:
        """Wait until it was told so often."""
        end = time.monotonic() + PATIENCE_S
        while len(self.of(command)) < number:
            assert time.monotonic() < end, self.told
            time.sleep(0.02)
        return self.of(command)

    def close(self) -> None:
        """Listen no more."""
        self.hung.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def app() -> Iterator[App]:
    """An app's server."""
    listening = App()
    yield listening
    listening.close()


def test_the_app_is_asked_and_told(start: Callable[..., Any], app: App) -> None:
    """Before and after a message, of log-ins and log-outs, of what was read and taken back."""
    service = start(WEBHOOK=app.url, WEBHOOK_TOKEN="hush")
    bob = service.phone("bob")
    assert app.hears("State.StateChange")[0]["Info"] == {"Action": "Login", "To_Account": "bob", "Reason": "Register"}
    key = service.send("hi")["MsgKey"]
    [asked], [told] = app.hears("C2C.CallbackBeforeSendMsg"), app.hears("C2C.CallbackAfterSendMsg")
    assert asked["MsgKey"] == told["MsgKey"] == key
    assert (told["SendMsgResult"], told["ErrorInfo"], told["OnlineOnlyFlag"]) == (0, "send msg succeed", 0)
    bob.next()
    bob.ask(type="read", key=key)
    [read] = app.hears("C2C.CallbackAfterMsgReport")
    assert (read["Report_Account"], read["Peer_Account"]) == ("bob", "alice")
    ends = {"From_Account": "alice", "To_Account": "bob"}
    service.call("openim/admin_msgwithdraw", {**ends, "MsgKey": key})
    assert app.hears("C2C.CallbackAfterMsgWithDraw")[0]["MsgKey"] == key
    bob.leave()
    assert app.hears("State.StateChange", 2)[1]["Info"]["Action"] == "Logout"
    platforms = {command: query["OptPlatform"] for command, query, _ in app.told}
    assert (platforms["C2C.CallbackBeforeSendMsg"], platforms["State.StateChange"]) == ("RESTAPI", "iOS")
    for _, query, _ in app.told:
        assert query["Sign"] == hashlib.sha256(f"hush{query['RequestTime']}".encode()).hexdigest()


@pytest.mark.parametrize(("answered", "code"), [(1, 20006), (120001, 120001), (130000, 130000), (5, 20006)])
def test_the_app_forbids_a_message(start: Callable[..., Any], app: App, answered: int, code: int) -> None:
    """The sender sees the documented code or the app's own; nothing is stored, and nothing told afterwards."""
    service = start(WEBHOOK=app.url)
    app.verdict = ALLOWED | {"ErrorCode": answered}
    assert service.send()["ErrorCode"] == code
    assert service.history()["MsgCnt"] == 0
    assert service.send(ForbidCallbackControl=["ForbidBeforeSendMsgCallback"])["ErrorCode"] == 0
    assert len(app.hears("C2C.CallbackAfterSendMsg")) == 1


def test_the_app_puts_it_in_other_words(start: Callable[..., Any], app: App) -> None:
    """What it answers is what is stored."""
    service = start(WEBHOOK=app.url)
    other = [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "***"}}]
    app.verdict = ALLOWED | {"MsgBody": other, "CloudCustomData": "seen"}
    service.send("damn")
    [item] = service.history()["MsgList"]
    assert (item["MsgBody"], item["CloudCustomData"]) == (other, "seen")


@pytest.mark.parametrize(("policy", "code", "stored"), [("pass", 0, 1), ("refuse", 90992, 0)])
def test_an_app_that_does_not_answer(start: Callable[..., Any], app: App, policy: str, code: int, stored: int) -> None:
    """After two seconds the message goes, or it does not: which of them is a setting, since it is not documented."""
    service = start(WEBHOOK=app.url, WEBHOOK_BROKEN=policy)
    app.verdict = None
    began = time.monotonic()
    assert service.send()["ErrorCode"] == code
    assert time.monotonic() - began >= 1.9
    assert service.history()["MsgCnt"] == stored


def test_a_send_that_failed_is_told_too(start: Callable[..., Any], app: App) -> None:
    """With its code, and without a count of what is unread."""
    service = start(WEBHOOK=app.url, RATE_PER_USER="1")
    assert [service.send()["ErrorCode"] for _ in range(2)] == [0, 60007]
    told = app.hears("C2C.CallbackAfterSendMsg", 2)
    assert sorted((one["SendMsgResult"], one["UnreadMsgNum"]) for one in told) == [(0, 1), (60007, -1)]
