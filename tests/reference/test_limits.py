"""Rate limits: the buckets with a clock of the test's own, and the running service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reference.frames import Limits, Refused
from harness.reference.limits import InMemory, Limiter
from harness.reference.sqlite import SqliteConnection
from harness.testing.reference_chat import ReferenceChat

Names = Callable[[int], list[str]]
Start = Callable[..., ReferenceChat]


class Driven:
    """A limiter whose time the test moves, in whole milliseconds."""

    def __init__(self, per_user: float | None = None, overall: float | None = None) -> None:
        self.now_ms = 0
        self.connection = SqliteConnection(Path(":memory:"))
        self.limiter = Limiter(InMemory(Limits(per_user, overall), lambda: self.now_ms / 1000))

    def change(self, limits: Limits) -> None:
        """Put other limits in force."""
        self.limiter.books.change(self.connection, limits)

    def wait_ms(self, user: str) -> int:
        """Try to send; return 0, or after how many milliseconds to come back."""
        try:
            self.limiter.admit(self.connection, user)
        except Refused as refused:
            told = refused
        else:
            return 0
        assert told.code == "rate_limited"
        assert told.retry_after_ms is not None
        return told.retry_after_ms

    def sent(self, user: str, tries: int) -> int:
        """Try so often at this moment and return how many sends went through."""
        return sum(self.wait_ms(user) == 0 for _ in range(tries))


def test_without_limits_everything_passes() -> None:
    """No limit is no limit."""
    assert Driven().sent("alice", 1000) == 1000


@pytest.mark.parametrize(("rate", "burst", "in_ten_seconds"), [(5, 5, 50), (0.5, 1, 5), (100, 100, 1000)])
def test_a_persons_limit_is_a_burst_and_a_rate(rate: float, burst: int, in_ten_seconds: int) -> None:
    """A second's worth at once, at least one, then the rate, however often is tried."""
    driven = Driven(per_user=rate)
    assert driven.sent("alice", 500) == burst
    sent = 0
    for _ in range(100):
        driven.now_ms += 100
        sent += driven.sent("alice", 50)
    assert sent == in_ten_seconds


@given(rate=st.floats(0.05, 500), spent=st.integers(1, 700))
def test_whoever_comes_back_when_told_is_let_through(rate: float, spent: int) -> None:
    """The announced wait is long enough, and at most a millisecond too long."""
    driven = Driven(per_user=rate)
    driven.sent("alice", spent)
    wait_ms = driven.wait_ms("alice")
    if wait_ms > 1:
        driven.now_ms += wait_ms - 2
        assert driven.wait_ms("alice") > 0
        driven.now_ms += 2
        assert driven.wait_ms("alice") == 0


def test_one_persons_limit_is_nobody_elses() -> None:
    """A person who has used up their limit leaves the others' alone."""
    driven = Driven(per_user=2)
    assert driven.sent("greedy", 100) == 2
    assert driven.sent("alice", 2) == 2


@given(rate=st.floats(0.5, 100), pace=st.lists(st.tuples(st.integers(1, 300), st.sampled_from("abc")), max_size=200))
def test_the_overall_limit_holds_whoever_sends(rate: float, pace: list[tuple[int, str]]) -> None:
    """Over any time no more passes than the rate and one burst of a second's worth, at least two."""
    driven = Driven(overall=rate)
    sent = 0
    for wait_ms, user in pace:
        driven.now_ms += wait_ms
        sent += driven.sent(user, 5)
    assert sent <= max(2, rate) + rate * driven.now_ms / 1000 + 1e-6


def test_a_flood_starves_nobody_who_stays_within_their_share() -> None:
    """Under a flood that is always there first, people who send less than their share are never refused."""
    driven = Driven(overall=20)
    flood, refused = 0, 0
    for step in range(600):
        driven.now_ms += 50
        flood += driven.sent("greedy", 20)
        for number, modest in enumerate(("alice", "bob")):
            if step % 10 == number:  # two messages a second; their share is 20 / 3
                refused += driven.wait_ms(modest) > 0
    assert refused == 0
    assert flood >= (20 - 4) * 30 - 1, "what the others leave is the flood's"


def test_a_newcomer_is_served_during_a_flood() -> None:
    """Somebody who writes for the first time in a while gets through at once."""
    driven = Driven(overall=4)
    for _ in range(300):
        driven.now_ms += 50
        driven.sent("greedy", 10)
    assert driven.wait_ms("alice") == 0


def test_equal_floods_share_alike() -> None:
    """Three people who all try as fast as they can get their share each, and together all that there is."""
    driven = Driven(overall=30)
    sent = dict.fromkeys("abc", 0)
    for _ in range(400):
        driven.now_ms += 50
        for user in sent:
            sent[user] += driven.sent(user, 5)
    assert min(sent.values()) >= 0.9 * 30 / 3 * 20 - 1
    assert sum(sent.values()) >= 30 * 20


def test_a_limit_that_changes_holds_from_the_next_send_on() -> None:
    """Lowered, a full bucket shrinks at once; taken away, nothing is counted."""
    driven = Driven(per_user=100)
    assert driven.wait_ms("alice") == 0
    driven.change(Limits(per_user=2))
    assert driven.sent("alice", 100) == 2
    driven.change(Limits())
    assert driven.sent("alice", 100) == 100


def test_the_service_announces_its_limits_over_both_ways(chat: ReferenceChat, names: Names) -> None:
    """429 with whole seconds over HTTP, an error frame with milliseconds live, and nothing was stored."""
    alice, bob = names(2)
    token = chat.login(alice)["token"]
    chat.login(bob)
    device = chat.connect(token)
    try:
        assert chat.control("PUT", "limits", {"per_user": 0.5, "overall": None}) == {"per_user": 0.5, "overall": None}
        assert chat.control("GET", "limits") == {"per_user": 0.5, "overall": None}
        assert device.say(bob, "passes")["type"] == "ack"
        live = device.say(bob, "refused live")
        answer = chat.post(token, to=bob, body="refused over HTTP")
        assert (live["code"], live["ref"], 0 < live["retry_after_ms"] <= 2000) == ("rate_limited", "2", True)
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert answer.headers["Retry-After"] in {"1", "2"}
        assert chat.device(bob).say(alice, "somebody else")["type"] == "ack"
    finally:
        chat.control("PUT", "limits", {})
    assert device.say(bob, "after")["type"] == "ack"
    assert [item["body"] for item in device.feed()] == ["passes", "somebody else", "after"]


def test_limits_can_be_set_at_the_start(start: Start) -> None:
    """The environment's limits are in force from the first send on."""
    chat = start(RATE_PER_USER="1", RATE_OVERALL="2.5")
    assert chat.control("GET", "limits") == {"per_user": 1, "overall": 2.5}
    device = chat.device("alice")
    assert [device.say("alice", "x").get("code") for _ in range(2)] == [None, "rate_limited"]


@pytest.mark.parametrize(
    "wrong", [{"per_user": 0}, {"per_user": -1}, {"overall": 1e-300}, {"overall": "5"}, {"per_person": 5}, [], None]
)
def test_bad_limits_change_nothing(chat: ReferenceChat, wrong: object) -> None:
    """What is no limit is refused with 400."""
    with pytest.raises(httpx2.HTTPStatusError, match="400"):
        chat.control("PUT", "limits", wrong)  # type: ignore[arg-type]
    assert chat.control("GET", "limits") == {"per_user": None, "overall": None}
