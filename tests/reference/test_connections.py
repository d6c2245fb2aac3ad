"""Logging in, live connections and what is refused."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from harness.testing.reference_chat import ReferenceChat, WireDevice

Names = Callable[[int], list[str]]
Start = Callable[..., ReferenceChat]


def close_code(device: WireDevice) -> int | None:
    """Read to the end of a connection and return its close code."""
    try:
        while True:
            device.socket.recv(timeout=10)
    except ConnectionClosed:
        return device.socket.close_code


def test_accounts_are_made_once_and_passwords_checked(chat: ReferenceChat, names: Names) -> None:
    """A taken name is 409; a wrong password and an unknown user are the same 401."""
    (alice,) = names(1)
    account = {"user": alice, "password": "right"}
    assert chat.http.post(f"{chat.url}/v1/register", json=account).status_code == 201
    taken = chat.http.post(f"{chat.url}/v1/register", json=account)
    assert (taken.status_code, taken.json()["code"]) == (409, "user_exists")
    wrong = chat.http.post(f"{chat.url}/v1/login", json=account | {"password": "wrong", "device": "phone"})
    unknown = chat.http.post(f"{chat.url}/v1/login", json=account | {"user": "nobody", "device": "phone"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


def test_a_login_tells_its_life_and_no_address(chat: ReferenceChat, names: Names) -> None:
    """A login answers token, life, user and device, and no address unless one is advertised."""
    (alice,) = names(1)
    login = chat.login(alice, "phone")
    assert set(login) == {"token", "refresh_token", "expires_in", "user", "device"}
    assert (login["expires_in"], login["user"], login["device"]) == (3600, alice, "phone")


def test_an_advertised_address_is_in_the_login(start: Start) -> None:
    """A login names the WebSocket at the advertised address, as services with discovery do."""
    chat = start(ADVERTISED_URL="http://127.0.0.1:9/")
    assert chat.login("alice")["url"] == "http://127.0.0.1:9/v1/ws"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/register", b"{", 400),
        ("/v1/register", b"[]", 400),
        ("/v1/register", b"\xff\xfe", 400),
        ("/v1/register", b'{"user": "a:b", "password": "x"}', 400),
        ("/v1/register", b'{"user": "", "password": "x"}', 400),
        ("/v1/register", b'{"user": "alice"}', 400),
        ("/v1/login", b'{"user": 1, "password": "x", "device": "d"}', 400),
        ("/v1/login", b'"' + b"x" * 140_000 + b'"', 413),
        ("/v1/nowhere", b"{}", 404),
    ],
)
def test_a_bad_http_request_is_refused(chat: ReferenceChat, path: str, body: bytes, status: int) -> None:
    """What is not as documented is answered with a status of the client's own doing."""
    assert chat.http.post(f"{chat.url}{path}", content=body).status_code == status


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
def test_a_bad_token_opens_nothing(chat: ReferenceChat, headers: dict[str, str]) -> None:
    """Without a good token the archive and the upgrade are refused with 401."""
    assert chat.http.get(f"{chat.url}/v1/archive", headers=headers).status_code == 401
    upgrade = headers | {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    refused = chat.http.get(f"{chat.url}/v1/ws", headers=upgrade)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("query", [{"cursor": "x"}, {"cursor": "-1"}, {"limit": "0"}, {"limit": "many"}])
def test_a_bad_page_is_refused(chat: ReferenceChat, names: Names, query: dict[str, str]) -> None:
    """A cursor that is none and a limit below one are the client's mistake, not a crash."""
    (alice,) = names(1)
    with pytest.raises(httpx2.HTTPStatusError, match="400"):
        chat.archive(alice, **query)


@pytest.mark.slow
def test_an_expired_token_ends_the_session_and_opens_no_other(start: Start) -> None:
    """A session is closed with 4001 when its token expires, and the token is refused from then on."""
    chat = start(TOKEN_TTL_S="1")
    login = chat.login("alice")
    device = chat.connect(login["token"])
    assert close_code(device) == 4001
    with pytest.raises(InvalidStatus, match="401"):
        chat.connect(login["token"])


NO_REQUESTS = (
    "",
    "not json",
    "null",
    "[1]",
    "{}",
    "[" * 5000,
    '{"type": "sync", "deep": ' + "[" * 5000 + "]" * 5000 + "}",
    '{"type": 5}',
    '{"type": "shout", "ref": "r"}',
    '{"type": "send", "ref": "r"}',
    '{"type": "send", "ref": "r", "client_message_id": "c", "to": "bob", "body": ""}',
    '{"type": "send", "ref": "r", "client_message_id": "c", "to": ["bob"], "body": "x"}',
    '{"type": "send", "client_message_id": "c", "to": "bob", "body": "\\ud800", "ref": 1}',
    '{"type": "send", "ref": "r", "client_message_id": "c", "to": "b", "body": "x", "client_time_ms": 1e99}',
    '{"type": "receipt", "ref": "r", "message_id": "m", "state": "eaten"}',
    '{"type": "sync", "ref": "r", "cursor": "99999999999999999999"}',
    '{"type": "sync", "ref": "r", "limit": -1}',
)


def test_garbage_is_answered_and_the_session_goes_on(chat: ReferenceChat, names: Names) -> None:
    """A frame that is not as documented gets an error frame, with its ref when it has one."""
    alice, bob = names(2)
    chat.login(bob)
    device = chat.device(alice)
    for text in NO_REQUESTS:
        device.socket.send(text)
        error = json.loads(device.socket.recv(timeout=10))
        assert (error["type"], error["code"]) == ("error", "bad_request"), text
        assert error["ref"] == ("r" if '"ref": "r"' in text else None)
    assert device.say(bob, "still here")["type"] == "ack"


@pytest.mark.parametrize(("frame", "code"), [(b"binary", 1003), ("x" * 140_000, 1009)])
def test_a_frame_that_cannot_be_read_closes_the_connection(
    chat: ReferenceChat, names: Names, frame: Any, code: int
) -> None:
    """Binary and oversized frames end the connection with their own close codes; the device may come back."""
    (alice,) = names(1)
    device = chat.device(alice)
    device.socket.send(frame)
    assert close_code(device) == code
    assert chat.device(alice).feed() == []


def test_bytes_that_are_no_protocol_at_all_harm_nobody(chat: ReferenceChat, names: Names) -> None:
    """Raw bytes after an upgrade and text that is not UTF-8 end that connection only."""
    alice, bob = names(2)
    bystander = chat.device(bob)
    for raw in (b"\xff" * 64, b"\x81\x82\x00\x00\x00\x00\xff\xfe"):
        device = chat.device(alice)
        device.socket.socket.sendall(raw)
        assert close_code(device) in (1002, 1007)
    assert bystander.say(alice, "all well")["type"] == "ack"


def test_a_second_connection_of_a_device_replaces_the_first(chat: ReferenceChat, names: Names) -> None:
    """The old connection is closed with 4000, and its end leaves the new one reachable."""
    alice, bob = names(2)
    sender, old = chat.device(alice), chat.device(bob)
    new = chat.device(bob)
    assert close_code(old) == 4000
    assert [line["code"] for line in chat.closings(bob)] == [4000]
    ack = sender.say(bob, "hello")
    assert new.next()["message_id"] == ack["message_id"]


def test_a_device_that_comes_back_after_a_cut_is_reachable(chat: ReferenceChat, names: Names) -> None:
    """After a connection broke without a word its device gets messages live again."""
    alice, bob = names(2)
    sender = chat.device(alice)
    for _ in range(3):
        chat.device(bob).vanish()
        recipient = chat.device(bob)
        ack = sender.say(bob, "hello")
        assert recipient.next()["message_id"] == ack["message_id"]


@pytest.mark.slow
def test_a_client_that_does_not_read_holds_up_nobody(chat: ReferenceChat, names: Names) -> None:
    """A device that stops reading is closed when too much waits for it; others go on, and nothing is lost."""
    alice, bob = names(2)
    small = socket.create_connection(("127.0.0.1", chat.port))
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    chat.connect(chat.login(bob)["token"], sock=small)
    sender, bystander = chat.device(alice, "phone"), chat.device(alice, "laptop")
    bodies = ["x" * 16_000] * 560 + ["x"] * 2200  # the first fill the sockets' buffers, the rest the service's queue
    for start in range(0, len(bodies), 50):
        chunk = list(enumerate(bodies))[start : start + 50]
        refs = [sender.put("send", to=bob, body=body, client_message_id=f"{n}") for n, body in chunk]
        assert [sender.answer(ref)["seq"] for ref in refs] == [n + 1 for n, _ in chunk]
        assert len(bystander.waiting()) == len(chunk)
    assert [line["code"] for line in chat.closings(bob)] == [1013]
    assert len(chat.device(bob, "laptop").feed(limit=500)) == 2760


def test_a_goodbye_is_heard_while_frames_are_on_their_way(chat: ReferenceChat, names: Names) -> None:
    """A client that closes in order counts as gone in order, although frames were just being sent to it."""
    alice, bob = names(2)
    sender = chat.device(alice)
    chat.login(bob)
    for turn in range(5):
        leaving = chat.device(bob)
        refs = [sender.put("send", to=bob, body="x", client_message_id=f"{turn}-{n}") for n in range(40)]
        leaving.next()
        leaving.socket.close()
        assert {sender.answer(ref)["type"] for ref in refs} == {"ack"}
    assert {line["code"] for line in chat.closings(bob, 5)} == {1000}


def test_the_control_port_wants_its_own_token(chat: ReferenceChat, names: Names) -> None:
    """Numbers are shown with the control token only: neither without one nor with a person's."""
    (alice,) = names(1)
    stats = f"{chat.control_url}/stats"
    token = chat.login(alice)["token"]
    for headers in ({}, {"Authorization": f"Bearer {token}"}):
        assert chat.http.get(stats, headers=headers).status_code == 401
        assert chat.http.post(f"{chat.control_url}/stop", headers=headers).status_code == 401
    device = chat.device(alice)
    before = chat.http.get(stats, headers={"Authorization": f"Bearer {chat.control_token}"}).json()
    device.say(alice, "count me")
    after = chat.http.get(stats, headers={"Authorization": f"Bearer {chat.control_token}"}).json()
    assert after["messages"] == before["messages"] + 1
    assert after["sessions"] >= 1
    assert after["connections"] >= after["sessions"]
    assert chat.http.get(f"{chat.url}/control/stats").status_code == 404
