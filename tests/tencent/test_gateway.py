"""The gateway: who gets in, what a device hears, when it is thrown out, what is pushed to one that is away."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from harness.providers.api import PushRule
from harness.testing.push_provider import BOB, PushProvider

pytestmark = pytest.mark.slow

PATIENCE_S = 20.0


@pytest.mark.parametrize(
    ("user", "sig", "code"),
    [
        ("bob", "no signature", 70003),
        ("bob", "of alice", 70013),
        ("bob", "of yesterday", 70001),
        ("nobody", "of nobody", 70107),
    ],
)
def test_who_gets_in(shared: Any, user: str, sig: str, code: int) -> None:
    """Whoever shows a good UserSig of an account; the refusal has the documented code."""
    sigs = {"of alice": shared.sig("alice"), "of nobody": shared.sig("nobody")}
    sigs["of yesterday"] = shared.sig("bob", ago_s=86400, life_s=86000)
    _, answer = shared.knock(user, usersig=sigs.get(sig, sig))
    assert (answer["type"], answer["code"]) == ("error", code)


def test_everybodys_devices_hear_of_a_message_in_its_order(start: Any) -> None:
    """All of the recipient's, and the sender's own unless that is not wanted."""
    service = start()
    phones = [service.phone("bob"), service.phone("bob", "laptop"), service.phone("alice")]
    service.send("not for me", SyncOtherMachine=2)
    for number in range(5):
        service.send(str(number))
    heard = [[phone.next()["message"]["MsgBody"][0]["MsgContent"]["Text"] for _ in range(5)] for phone in phones]
    assert heard == [["not for me", *"0123"], ["not for me", *"0123"], list("01234")]


def test_a_device_pulls_what_it_has_missed(start: Any) -> None:
    """From its own place on, page by page to the end; a message that was not for the sender's devices is not there."""
    service = start(REST_RATE="10000")
    for number in range(3):
        service.send(str(number))
    page = service.phone("bob").ask(type="pull")
    assert ([item["MsgSeq"] for item in page["items"]], page["more"]) == (
        [item["MsgSeq"] for item in page["items"]],
        False,
    )
    assert len(page["items"]) == 3
    service.send("not for me", SyncOtherMachine=2)
    for number in range(250):
        service.send(str(number))
    bob, cursor, found = service.phone("bob"), page["cursor"], 0
    for more in (True, False):
        page = bob.ask(type="pull", cursor=cursor)
        assert page["more"] is more
        cursor, found = page["cursor"], found + len(page["items"])
    assert found == 251
    assert len(service.phone("alice").ask(type="pull", cursor="3")["items"]) == 200


def test_who_has_read_a_message_is_told_once_to_its_sender(start: Any) -> None:
    """By the device or by REST; the history says so, too."""
    service = start()
    alice, bob = service.phone("alice"), service.phone("bob")
    keys = [service.send(str(number), MsgSeq=number)["MsgKey"] for number in range(3)]
    for _ in keys:
        alice.next()
        bob.next()
    assert bob.ask(type="read", key=keys[0])["type"] == "done"
    assert alice.next() == {"type": "receipt", "key": keys[0], "by": "bob"}
    assert bob.ask(type="read", key="nonsense")["code"] == 90054
    service.call("openim/admin_set_msg_read", {"Report_Account": "bob", "Peer_Account": "alice"})
    assert {alice.next()["key"] for _ in range(2)} == set(keys[1:])
    assert [item["IsPeerRead"] for item in service.history()["MsgList"]] == [1, 1, 1]


@pytest.mark.parametrize(("how", "code"), [("tokens/expire", 70001), ("tokens/revoke", 70052), ("kick", 70052)])
def test_a_device_is_thrown_out_with_its_usersig(start: Any, how: str, code: int) -> None:
    """It is told why; the old UserSig is no longer good, a new one is, and nobody else is touched."""
    service = start(ADMINISTRATORS="*")
    old = service.sig("bob", ago_s=5)
    bob, alice = service.phone("bob", usersig=old), service.phone("alice")
    if how == "kick":
        service.call("im_open_login_svc/kick", {"UserID": "bob"})
    else:
        assert service.control("POST", how, {"user": "bob"}) == {"count": 1}
    assert bob.next() == {"type": "kicked", "code": code}
    assert service.knock("bob", usersig=old)[1]["code"] == code
    assert service.call("openim/querystate", {"To_Account": ["bob"]}, "bob", usersig=old)["ErrorCode"] == code
    new = service.http.post(f"{service.url}/app/v1/usersig", json={"user": "bob"}).json()
    assert service.phone("bob", usersig=new["usersig"]).ask(type="pull")["type"] == "page"
    assert service.control("GET", "tokens?user=bob") == {"valid": 1}
    assert alice.ask(type="pull")["type"] == "page"


def test_a_device_is_thrown_out_when_its_usersig_expires(start: Any) -> None:
    """At the end of its life, without anybody's doing."""
    service = start()
    bob = service.phone("bob", usersig=service.sig("bob", life_s=2))
    assert bob.next() == {"type": "kicked", "code": 70001}


def test_a_device_that_is_away_is_pushed_to(start: Any, tmp_path: Path) -> None:
    """Until the provider takes it, with nothing but ids; not to one that is there, nor where it is not wanted."""
    provider = PushProvider(tmp_path)
    try:
        provider.wait()
        service = start(PUSH=provider.url)
        phone = service.phone("bob")
        assert phone.ask(type="push_token", token=BOB)["type"] == "done"
        service.send("while he is there")
        assert phone.next()["type"] == "message"
        phone.leave()
        service.send("not pushed", OfflinePushInfo={"PushFlag": 1})
        asyncio.run(provider.control.add_rule(PushRule("once", "server_error", share=1.0)))
        service.send("while he is away")
        _until(lambda: asyncio.run(provider.control.hits("once")) >= 1)
        asyncio.run(provider.control.remove_rule("once"))
        _until(lambda: service.control("GET", "push-tokens")["jobs"] == 0)
        assert service.log_text().count('"push_sent"') == 1
        asyncio.run(provider.control.add_rule(PushRule("gone", "unregistered", share=1.0)))
        service.send("to nobody")
        _until(lambda: service.control("GET", "push-tokens") == {"registered": 0, "dropped": 1, "jobs": 0})
    finally:
        provider.process.kill()
        provider.process.wait()
        provider.http.close()


def _until(true: Any) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
