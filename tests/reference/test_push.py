"""The push worker against a provider that answers as told."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from harness.reference.push import Answer, Fate, PushWorker
from harness.reference.push_client import wait_s
from harness.reference.sessions import Sessions
from harness.testing.reference_chat import ReferenceChat, free_port

Start = Callable[..., ReferenceChat]
FAILING = (503, "")

IN_BOTH_FORMS = True


def worker() -> PushWorker:
    """Return a worker for the decisions that it makes alone."""
    return PushWorker(None, Sessions(), lambda *_, **__: None, None)  # type: ignore[arg-type]


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something that another process does has happened."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def pushing(start: Start, provider: Any, **settings: str) -> tuple[ReferenceChat, str]:
    """Start a chat with this provider and a person ``bob`` with a push token; return the chat and bob's login token."""
    chat = start(PUSH=provider.url, **settings)
    token = chat.login("bob")["token"]
    assert chat.ask("PUT", "push-token", token, {"token": "up.bob"}).json() == {"registered": True}
    return chat, token


def jobs(chat: ReferenceChat) -> int:
    """Count the pushes that are still to be made."""
    return int(chat.control("GET", "push-tokens")["jobs"])


def test_a_person_who_is_away_is_notified_once(start: Start, provider: Any) -> None:
    """The provider hears of the message's ids, and neither of its text nor of its sender."""
    chat, _ = pushing(start, provider)
    ack = chat.device("alice").say("bob", "the-text")
    wanted = {key: ack[key] for key in ("message_id", "conversation_id")}
    assert provider.wait(1, "up.bob") == [wanted | {"token": "up.bob", "path": "/v1/push"}]
    wait_until(lambda: jobs(chat) == 0)
    assert [line["http_status"] for line in chat.log() if line["event"] == "push_sent"] == [200]
    assert "up.bob" not in chat.log_text()


def test_devices_that_are_there_are_not_notified(start: Start, provider: Any) -> None:
    """Neither a connected device nor the sender's own is pushed to; one that has left in the meantime is."""
    chat, token = pushing(start, provider)
    sender = chat.login("alice")["token"]
    chat.ask("PUT", "push-token", sender, {"token": "up.alice"})
    bob = chat.connect(token)
    chat.post(sender, to="bob")
    assert bob.next()["sender"] == "alice"
    bob.socket.close()
    chat.closings("bob")
    second = chat.post(sender, to="bob").json()
    assert [push["message_id"] for push in provider.wait(1, "up.bob")] == [second["message_id"]]
    wait_until(lambda: jobs(chat) == 0)
    assert len(provider.pushes) == 1


def test_only_who_is_to_see_a_message_is_notified(start: Start, provider: Any) -> None:
    """A group's members are, who has left or blocked the sender is not."""
    chat, token = pushing(start, provider)
    alice = chat.login("alice")["token"]
    people = {name: chat.login(name)["token"] for name in ("carol", "dave")}
    for name, login in people.items():
        chat.ask("PUT", "push-token", login, {"token": f"up.{name}"})
    group = chat.ask("POST", "groups", alice, {"members": ["bob", *people]}).json()["conversation_id"]
    chat.ask("PUT", "blocks/alice", token)
    chat.ask("POST", f"groups/{group}/leave", people["dave"])
    chat.post(alice, to="bob")
    chat.post(alice, conversation_id=group)
    provider.wait(1, "up.carol")
    wait_until(lambda: jobs(chat) == 0)
    assert [push["token"] for _, push in provider.pushes] == ["up.carol"]


def test_what_may_pass_is_tried_again_later_and_later(start: Start, provider: Any) -> None:
    """After 5xx and a refused connection the waits grow, until the push is taken; the message is there all along."""
    chat, token = pushing(start, provider)
    provider.script["up.bob"] = [FAILING, (500, ""), FAILING, (200, "")]
    ack = chat.device("alice").say("bob", "hello")
    assert {push["message_id"] for push in provider.wait(4, "up.bob")} == {ack["message_id"]}
    came = provider.of("up.bob")
    gaps = [later - earlier for earlier, later in pairwise(came)]
    assert 0.15 <= gaps[0] < gaps[1] < gaps[2]
    wait_until(lambda: jobs(chat) == 0)
    assert [item["message_id"] for item in chat.connect(token).feed()] == [ack["message_id"]]


def test_a_throttled_push_waits_as_long_as_asked(start: Start, provider: Any) -> None:
    """Retry-After is obeyed, and only throttling does not cost the token."""
    chat, _ = pushing(start, provider)
    provider.script["up.bob"] = [(429, "1"), (200, "")]
    chat.device("alice").say("bob", "hello")
    provider.wait(2, "up.bob")
    first, second = provider.of("up.bob")
    assert second - first >= 1
    assert chat.control("GET", "push-tokens")["registered"] == 1


def test_a_provider_that_hangs_is_given_up_and_tried_again(start: Start, provider: Any) -> None:
    """No answer within a second is a failure that may pass, and holds up no other token."""
    chat, _ = pushing(start, provider)
    chat.ask("PUT", "push-token", chat.login("carol")["token"], {"token": "up.carol"})
    provider.script["up.bob"] = [(None, ""), (200, "")]
    alice = chat.device("alice")
    alice.say("bob", "hello")
    provider.wait(1, "up.bob")
    alice.say("carol", "hello")
    provider.wait(1, "up.carol")
    assert len(provider.of("up.bob")) == 1
    provider.wait(2, "up.bob")
    wait_until(lambda: jobs(chat) == 0)


def test_an_unregistered_token_is_never_used_again(start: Start, provider: Any) -> None:
    """After 410 neither a waiting push nor a new message nor a new registration brings the token back."""
    chat, token = pushing(start, provider)
    provider.script["up.bob"] = [FAILING, (410, "")]
    alice = chat.device("alice")
    for number in range(3):
        alice.say("bob", f"{number}")
    wait_until(lambda: chat.control("GET", "push-tokens") == {"registered": 0, "dropped": 1, "jobs": 0})
    used = len(provider.of("up.bob"))
    assert chat.ask("PUT", "push-token", token, {"token": "up.bob"}).json() == {"registered": False}
    alice.say("bob", "after")
    assert chat.ask("PUT", "push-token", token, {"token": "up.new"}).json() == {"registered": True}
    alice.say("bob", "with a new token")
    provider.wait(1, "up.new")
    assert len(provider.of("up.bob")) == used
    assert len(chat.connect(token).feed()) == 5


def test_a_refused_push_is_final_and_costs_no_token(start: Start, provider: Any) -> None:
    """Any other 4xx ends this push alone."""
    chat, _ = pushing(start, provider)
    provider.script["up.bob"] = [(400, ""), (200, "")]
    alice = chat.device("alice")
    first, second = alice.say("bob", "1"), alice.say("bob", "2")
    pushed = [push["message_id"] for push in provider.wait(2, "up.bob")]
    assert sorted(pushed) == sorted([first["message_id"], second["message_id"]])
    wait_until(lambda: jobs(chat) == 0)


def test_a_token_that_is_taken_back_is_not_used(start: Start, provider: Any) -> None:
    """After its registration was deleted or replaced, nothing goes to the old token."""
    chat, token = pushing(start, provider)
    provider.script["up.bob"] = [FAILING]
    alice = chat.device("alice")
    alice.say("bob", "1")
    provider.wait(1, "up.bob")
    assert chat.ask("DELETE", "push-token", token).json() == {"registered": False}
    wait_until(lambda: jobs(chat) == 0)
    used = len(provider.of("up.bob"))
    alice.say("bob", "2")
    chat.ask("PUT", "push-token", token, {"token": "up.other"})
    alice.say("bob", "3")
    provider.wait(1, "up.other")
    assert len(provider.of("up.bob")) == used


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_pushes_survive_a_restart(start: Start, provider: Any, how: signal.Signals) -> None:
    """What the provider has not taken when the service ends is pushed by the next one."""
    port = free_port()
    chat = start(PUSH=f"http://127.0.0.1:{port}")
    chat.ask("PUT", "push-token", chat.login("bob")["token"], {"token": "up.bob"})
    acks = [chat.device("alice").say("bob", f"{number}") for number in range(3)]
    wait_until(lambda: any(line["event"] == "push_failed" for line in chat.log()))
    chat.env["PUSH"] = provider.url
    chat.restart(how)
    pushed = {push["message_id"] for push in provider.wait(3, "up.bob")}
    assert pushed == {ack["message_id"] for ack in acks}
    wait_until(lambda: jobs(chat) == 0)


def test_without_a_provider_nothing_is_kept(start: Start) -> None:
    """A service without PUSH takes tokens and makes no pushes."""
    chat = start()
    chat.ask("PUT", "push-token", chat.login("bob")["token"], {"token": "up.bob"})
    chat.device("alice").say("bob", "hello")
    assert chat.control("GET", "push-tokens") == {"registered": 1, "dropped": 0, "jobs": 0}


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (200, Fate.TAKEN),
        (204, Fate.TAKEN),
        (301, Fate.REFUSED),
        (400, Fate.REFUSED),
        (404, Fate.REFUSED),
        (410, Fate.UNREGISTERED),
        (429, Fate.RETRY),
        (500, Fate.RETRY),
        (599, Fate.RETRY),
        (None, Fate.RETRY),
    ],
)
def test_only_what_may_pass_is_retried(status: int | None, fate: Fate) -> None:
    """Each answer has its fate."""
    assert worker().fate(Answer(status)) is fate


def test_delays_grow_with_chance_up_to_a_cap() -> None:
    """Each delay is longer than any that may have come before it, up to five seconds, and never below Retry-After."""
    made = worker()
    delays = [{made.delay_s(failures, Answer(503)) for _ in range(50)} for failures in range(7)]
    assert all(len(some) > 1 for some in delays)
    assert all(max(before) < min(after) for before, after in pairwise(delays[:5]))
    assert min(delays[0]) >= 0.15
    assert max(delays[6]) <= 5
    assert made.delay_s(0, Answer(429, 30.0)) == 30


NOON_S = 1772366400.0
FIVE_PAST = "Sun, 01 Mar 2026 12:00:05 GMT"


@pytest.mark.parametrize(
    ("header", "date", "expected"),
    [
        ("3", "", 3),
        ("0.5", "", 0.5),
        ("", "", 0),
        ("soon", "", 0),
        ("-1", "", 0),
        ("9" * 400, "", 0),
        (FIVE_PAST, "", 5),
        (FIVE_PAST, "Sun, 01 Mar 2026 12:00:03 GMT", 2),
        (FIVE_PAST, "Sun, 01 Mar 2026 13:00:00 GMT", 0),
    ],
)
def test_a_retry_after_is_read_in_both_forms(header: str, date: str, expected: float) -> None:
    """Seconds, or a date by the clock of whoever answered; anything else counts as none."""
    assert wait_s({"Retry-After": header, "Date": date}, NOON_S) == expected
