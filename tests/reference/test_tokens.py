"""Access and refresh tokens: rotation with grace, expiry, revocation."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from harness.testing.reference_chat import ReferenceChat, WireDevice

Names = Callable[[int], list[str]]
Start = Callable[..., ReferenceChat]


def code(answer: httpx2.Response) -> tuple[int, str]:
    """Return the status and the code of a refusal."""
    return answer.status_code, answer.json()["code"]


def closed_with(device: WireDevice) -> int | None:
    """Read to the end of a connection and return its close code."""
    try:
        while True:
            device.socket.recv(timeout=10)
    except ConnectionClosed:
        return device.socket.close_code


def good(chat: ReferenceChat, token: str) -> bool:
    """Tell whether a token reads the archive."""
    return chat.ask("GET", "archive", token).status_code == 200


def test_a_refresh_answers_new_tokens_of_the_same_device(chat: ReferenceChat, names: Names) -> None:
    """The new access token opens a session of the same device, and the old one goes on too."""
    (alice,) = names(1)
    login = chat.login(alice, "tablet")
    renewed = chat.refresh(login["refresh_token"]).json()
    assert set(renewed) == {"token", "refresh_token", "expires_in"}
    assert len({login["token"], login["refresh_token"], renewed["token"], renewed["refresh_token"]}) == 4
    old = chat.connect(login["token"])
    assert chat.connect(renewed["token"]).feed() == []
    assert closed_with(old) == 4000


@pytest.mark.parametrize("first_use", ["access", "refresh"])
def test_a_lost_answer_to_a_refresh_locks_nobody_out(chat: ReferenceChat, names: Names, first_use: str) -> None:
    """The old refresh token is good until one of the new tokens was used, and refused from then on."""
    (alice,) = names(1)
    old = chat.login(alice)["refresh_token"]
    lost = chat.refresh(old).json()
    kept = chat.refresh(old).json()
    assert kept["refresh_token"] != lost["refresh_token"]
    if first_use == "access":
        assert good(chat, kept["token"])
    else:
        assert chat.refresh(kept["refresh_token"]).status_code == 200
    assert code(chat.refresh(old)) == (401, "refresh_rejected")
    assert chat.refresh(kept["refresh_token"]).status_code == 200


def test_refresh_tokens_survive_a_restart(start: Start) -> None:
    """The grace of a replaced refresh token and its end are on disk."""
    chat = start()
    old = chat.login("alice")["refresh_token"]
    renewed = chat.refresh(old).json()
    chat.restart()
    assert chat.refresh(old).status_code == 200
    assert good(chat, renewed["token"])
    chat.restart()
    assert code(chat.refresh(old)) == (401, "refresh_rejected")


@pytest.mark.parametrize("token", ["x", "", None])
def test_a_bad_refresh_token_is_refused(chat: ReferenceChat, token: str | None) -> None:
    """An unknown token is 401, and what is no token 400."""
    assert chat.http.post(f"{chat.url}/v1/refresh", json={"refresh_token": token}).status_code == (
        401 if token else 400
    )


def test_an_access_token_is_no_refresh_token(chat: ReferenceChat, names: Names) -> None:
    """Neither token does the other's work."""
    (alice,) = names(1)
    login = chat.login(alice)
    assert code(chat.refresh(login["token"])) == (401, "refresh_rejected")
    assert not good(chat, login["refresh_token"])


@pytest.mark.parametrize(
    ("how", "close", "why"), [("expire", 4001, "token_expired"), ("revoke", 4002, "token_revoked")]
)
def test_tokens_end_before_their_time(chat: ReferenceChat, names: Names, how: str, close: int, why: str) -> None:
    """Every session of the person is closed with its code, the tokens open nothing more, and others notice nothing."""
    alice, bob = names(2)
    logins = [chat.login(alice, device) for device in ("phone", "laptop")]
    devices = [chat.connect(login["token"]) for login in logins]
    bystander = chat.device(bob)
    assert chat.control("GET", f"tokens?user={alice}") == {"valid": 2}
    assert chat.control("POST", f"tokens/{how}", {"user": alice}) == {"count": 2}
    assert [closed_with(device) for device in devices] == [close, close]
    assert chat.control("GET", f"tokens?user={alice}") == {"valid": 0}
    for login in logins:
        assert code(chat.ask("GET", "archive", login["token"])) == (401, why)
        assert code(chat.post(login["token"], to=bob)) == (401, why)
        with pytest.raises(InvalidStatus) as refused:
            chat.connect(login["token"])
        assert json.loads(refused.value.response.body or b"")["code"] == why
    assert chat.refresh(logins[0]["refresh_token"]).status_code == (200 if how == "expire" else 401)
    assert chat.control("POST", f"tokens/{how}", {"user": alice})["count"] == (1 if how == "expire" else 0)
    assert bystander.say(alice, "still here")["type"] == "ack"
    assert good(chat, chat.login(alice)["token"])


def test_tokens_that_have_ended_stay_so_after_a_restart(start: Start) -> None:
    """Expiry and revocation are on disk."""
    chat = start()
    expired, revoked = chat.login("alice")["token"], chat.login("bob")["token"]
    chat.control("POST", "tokens/expire", {"user": "alice"})
    chat.control("POST", "tokens/revoke", {"user": "bob"})
    chat.restart()
    assert code(chat.ask("GET", "archive", expired)) == (401, "token_expired")
    assert code(chat.ask("GET", "archive", revoked)) == (401, "token_revoked")


def test_nothing_pipelined_is_taken_after_the_end_of_its_token(chat: ReferenceChat, names: Names) -> None:
    """Sends that are on their way when the token expires are stored or not, and none comes after the answer."""
    alice, bob = names(2)
    device = chat.device(alice)
    chat.login(bob)
    for number in range(300):
        device.put("send", to=bob, body="x", client_message_id=f"{number}")
    chat.control("POST", "tokens/expire", {"user": alice})
    stored = len(chat.archive(bob, limit=500)["items"])
    assert closed_with(device) == 4001
    assert len(chat.archive(bob, limit=500)["items"]) == stored


def test_the_control_port_tells_the_services_time(chat: ReferenceChat) -> None:
    """The wall clock that the service goes by is between two readings of a nearby clock."""
    first, second = (chat.control("GET", "time")["wall_ns"] for _ in range(2))
    assert 0 < second - first < 10**10
