"""REST v4 as documented: who may call, what is refused with which code, what is stored and read back."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from harness.drivers.tencent.usersig import Key, make

WEEK_S = 604_800
TEXT = [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hi"}}]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"sdkappid": ""}, 60012),
        ({"sdkappid": "1"}, 70020),
        ({"contenttype": "xml"}, 60002),
        ({"random": ""}, 60002),
        ({"usersig": ""}, 70002),
        ({"usersig": "half-of-one"}, 70003),
        ({"identifier": "bob"}, 70013),
        ({"identifier": "nobody", "usersig": "sig of nobody"}, 70107),
        ({"identifier": "alice", "usersig": "sig of alice"}, 60010),
        ({"usersig": "sig of yesterday"}, 70001),
        ({"usersig": "sig by another key"}, 70009),
    ],
)
def test_who_may_call(shared: Any, query: dict[str, str], code: int) -> None:
    """An administrator of this app with a UserSig that is good; everybody else gets the documented code."""
    sigs = {
        "sig of nobody": shared.sig("nobody"),
        "sig of alice": shared.sig("alice"),
        "sig of yesterday": shared.sig(ago_s=86400, life_s=86399),
        "sig by another key": make(
            "administrator", Key(1400000001, "another-secret"), time_s=int(time.time()), expire_s=60
        ),
    }
    query = {name: sigs.get(value, value) for name, value in query.items()}
    assert shared.call("openim/querystate", {"To_Account": ["alice"]}, **query)["ErrorCode"] == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To_Account": ""}, 90003),
        ({"To_Account": ["bob"]}, 90003),
        ({"To_Account": "nobody"}, 90012),
        ({"From_Account": "nobody"}, 90048),
        ({"MsgRandom": "7"}, 90005),
        ({"MsgRandom": 1 << 32}, 90005),
        ({"MsgTimeStamp": "now"}, 90006),
        ({"MsgBody": "hi"}, 90007),
        ({"MsgBody": []}, 90002),
        ({"MsgBody": [{"MsgType": "TIMTextElem"}]}, 90010),
        ({"MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "x" * 9000}}]}, 80002),
        ({"MsgLifeTime": "7d"}, 90044),
        ({"MsgLifeTime": WEEK_S + 1}, 90026),
        ({"SyncOtherMachine": "yes"}, 90031),
    ],
)
def test_what_is_no_message(shared: Any, changes: dict[str, Any], code: int) -> None:
    """Each mistake has its code, and nothing is stored."""
    before = shared.control("GET", "stats")["messages"]
    assert shared.send(**changes)["ErrorCode"] == code
    assert shared.control("GET", "stats")["messages"] == before


def test_a_request_that_cannot_be_read(shared: Any) -> None:
    """No JSON, too much of it, or no such command."""
    assert shared.call("openim/sendmsg", b"{")["ErrorCode"] == 90001
    assert shared.call("openim/sendmsg", b" " * (1 << 20) + b"{}")["ErrorCode"] == 93000
    assert shared.call("openim/nothing", {})["ErrorCode"] == 60009


def test_a_message_is_read_back_as_it_was_sent(start: Any) -> None:
    """With its numbers, and whoever of the two asks."""
    service = start()
    sent = service.send("good morning", MsgSeq=5, MsgRandom=7, MsgTimeStamp=int(time.time()), CloudCustomData="mine")
    assert sent["MsgKey"] == f"5_7_{sent['MsgTime']}"
    for pair in (("alice", "bob"), ("bob", "alice")):
        page = service.history(*pair)
        assert (page["Complete"], page["MsgCnt"]) == (1, 1)
        [item] = page["MsgList"]
        assert (item["From_Account"], item["To_Account"], item["MsgKey"]) == ("alice", "bob", sent["MsgKey"])
        assert item["MsgBody"][0]["MsgContent"]["Text"] == "good morning"
        assert (item["CloudCustomData"], item["IsPeerRead"], item["MsgFlagBits"]) == ("mine", 0, 0)


def test_a_repeated_send_is_one_message(start: Any) -> None:
    """The same numbers are the same message, however late they come, and also from the other side."""
    service = start()
    numbers = {"MsgSeq": 5, "MsgRandom": 7, "MsgTimeStamp": int(time.time()) - 60}
    keys = {service.send(text, **numbers)["MsgKey"] for text in ("one", "one again")}
    keys.add(service.send("the other way", From_Account="bob", To_Account="alice", **numbers)["MsgKey"])
    assert len(keys) == service.history()["MsgCnt"] == 1
    assert service.send("another", **(numbers | {"MsgSeq": 6}))["MsgKey"] not in keys
    assert service.history()["MsgCnt"] == 2


def test_a_history_is_read_page_by_page_from_its_end(start: Any) -> None:
    """Ordered by second and MsgSeq; a page has no more messages than asked for, and no more than about 13 KB."""
    service = start(REST_RATE="10000")
    now = int(time.time())
    for number in (3, 1, 4, 2, 0):
        service.send(str(number) * 4000, MsgSeq=number % 2, MsgRandom=number, MsgTimeStamp=now - 10 + number // 2)
    found, asked, pages = [], {"MaxCnt": 4}, 0
    while True:
        page = service.history(**asked)
        assert page["MsgCnt"] <= 3, "13 KB are three of these"
        found += [item["MsgBody"][0]["MsgContent"]["Text"][0] for item in page["MsgList"]]
        pages += 1
        if page["Complete"]:
            break
        asked |= {"MaxTime": page["LastMsgTime"], "LastMsgKey": page["LastMsgKey"]}
    assert (found, pages) == (["4", "3", "2", "1", "0"], 2)
    assert service.history(MinTime=now - 8)["MsgCnt"] == 1


def test_how_long_a_message_lives(start: Any) -> None:
    """With a life of nothing it is for who is online, with a short one it is gone soon, and roaming ends for all."""
    service = start(ROAMING_S="3600")
    bob = service.phone("bob")
    service.send("now or never", MsgLifeTime=0)
    assert bob.next()["message"]["MsgBody"][0]["MsgContent"]["Text"] == "now or never"
    service.send("for a moment", MsgLifeTime=1)
    service.send("too old", MsgTimeStamp=int(time.time()) - 3700)
    service.send("stays")
    texts = set()
    end = time.monotonic() + 20
    while texts != {"stays"} and time.monotonic() < end:
        texts = {item["MsgBody"][0]["MsgContent"]["Text"] for item in service.history()["MsgList"]}
        assert texts <= {"for a moment", "stays"}
        time.sleep(0.1)
    assert texts == {"stays"}


def test_many_at_once(start: Any) -> None:
    """A batch tells who has no account, and refuses more than 500."""
    service = start()
    body = {"From_Account": "alice", "MsgRandom": 7, "MsgBody": TEXT}
    told = service.call("openim/batchsendmsg", {**body, "To_Account": ["bob", "nobody"]})
    assert told["ErrorList"] == [{"To_Account": "nobody", "ErrorCode": 90012}]
    assert service.history()["MsgList"][0]["MsgKey"] == told["MsgKey"]
    many = [str(number) for number in range(501)]
    assert service.call("openim/batchsendmsg", {**body, "To_Account": many})["ErrorCode"] == 90011


def test_what_is_taken_back_stays_with_a_flag(start: Any) -> None:
    """And is no longer handed to devices."""
    service = start()
    sent = service.send()
    ends = {"From_Account": "alice", "To_Account": "bob"}
    assert service.call("openim/admin_msgwithdraw", {**ends, "MsgKey": "1_2_3"})["ErrorCode"] == 90054
    assert service.call("openim/admin_msgwithdraw", {**ends, "MsgKey": sent["MsgKey"]})["ErrorCode"] == 0
    assert [item["MsgFlagBits"] for item in service.history()["MsgList"]] == [8]
    assert service.phone("bob").ask(type="pull")["items"] == []


def test_who_is_there(start: Any) -> None:
    """Connected at the gateway or not; an account that is none is told apart."""
    service = start()
    service.phone("bob")
    told = service.call("openim/querystate", {"To_Account": ["alice", "bob", "nobody"]})
    assert {one["To_Account"]: one["State"] for one in told["QueryResult"]} == {"alice": "Offline", "bob": "Online"}
    assert told["ErrorList"] == [{"To_Account": "nobody", "ErrorCode": 70107}]


def test_too_many_calls_are_refused_without_a_word_on_when_to_come_back(start: Any) -> None:
    """Each command has its own count; limits of messages are the control port's, and can be lifted again."""
    service = start(REST_RATE="5")
    codes = [service.call("openim/querystate", {"To_Account": ["bob"]})["ErrorCode"] for _ in range(20)]
    assert set(codes) == {0, 60007}
    service.control("PUT", "limits", {"per_user": 1, "overall": None})
    assert service.control("GET", "limits") == {"per_user": 1.0, "overall": None}
    assert [service.send()["ErrorCode"] for _ in range(2)] == [0, 60007]
    assert service.send(From_Account="bob", To_Account="alice")["ErrorCode"] == 0
    service.control("PUT", "limits", {"per_user": None, "overall": None})
    assert service.send()["ErrorCode"] == 0


def test_what_was_acknowledged_survives_a_kill(start: Any) -> None:
    """Messages, their numbers, accounts, and which UserSigs are no longer good."""
    service = start()
    numbers = {"MsgSeq": 5, "MsgRandom": 7, "MsgTimeStamp": int(time.time())}
    key = service.send(**numbers)["MsgKey"]
    old = service.sig("bob", ago_s=5)
    assert service.call("im_open_login_svc/kick", {"UserID": "bob"})["ErrorCode"] == 0
    assert service.end(signal.SIGKILL) == -signal.SIGKILL
    service.start()
    assert service.send(**numbers)["MsgKey"] == key
    assert service.history()["MsgCnt"] == 1
    assert service.knock("bob", usersig=old)[1]["code"] == 70052
    assert service.end() == 0


def test_nothing_secret_is_logged(start: Any) -> None:
    """No text of a message, no UserSig, no key."""
    service = start()
    service.send("a secret text")
    service.phone("bob")
    log = service.log_text()
    assert "message_persisted" in log
    assert not any(secret in log for secret in ("a secret text", service.sig()[:20], "a-secret"))
