"""retry_policy: of the push worker, as its provider saw it, and of naive clients, as they recorded it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from harness.checks.oracles import Judged
from harness.testing.histories import HistoryBuilder, Message

Judge = Callable[..., Judged]
BOB = "bob/phone"


def kinds(found: Judged) -> set[str]:
    """The ways in which it was broken."""
    return {kind for kind, _, _, _ in found.keys}


def asked(
    gaps: Sequence[float], *, answer: str = "server_error", name: str = "m1", at_s: float = 2.0
) -> HistoryBuilder:
    """A provider is asked with these gaps between, and fails each time."""
    builder = HistoryBuilder().online("alice/phone", BOB).push_token(BOB, 0.5)
    return ask_again(builder, builder.send(name, at_s), gaps, answer, at_s + 0.1)


def ask_again(
    builder: HistoryBuilder, message: Message, gaps: Sequence[float], answer: str, at_s: float, **facts: Any
) -> HistoryBuilder:
    """The same for one more message."""
    for gap in (0.0, *gaps):
        at_s += gap
        builder.push(message, BOB, at_s, answer, **facts)
    return builder


GROWING = (0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0)


def test_a_worker_that_waits_longer_each_time_is_right(verdict_on: Judge) -> None:
    """Doubling up to a cap."""
    assert verdict_on("retry_policy", asked(GROWING)) == Judged(exercised=7)


@pytest.mark.parametrize("gaps", [(0.01,) * 7, (0.2,) * 6, (2.0,) * 6])
def test_a_worker_that_never_waits_longer_does_not_back_off(verdict_on: Judge, gaps: tuple[float, ...]) -> None:
    """Tiny, short or long: a pause that stays the same is no back-off."""
    assert kinds(verdict_on("retry_policy", asked(gaps))) == {"no_backoff"}


def test_a_few_gaps_prove_nothing(verdict_on: Judge) -> None:
    """With full jitter a few short waits may follow each other."""
    assert not verdict_on("retry_policy", asked((0.2,) * 5)).keys


def test_waits_for_other_pushes_of_the_same_token_are_no_rhythm(verdict_on: Judge) -> None:
    """One after the other, each hanging for a second: the gaps are equal for another reason than a missing back-off."""
    builder = asked((2.0,) * 6)
    ask_again(builder, builder.send("m2", 2.0), (2.0,) * 6, "server_error", 3.1)
    assert not verdict_on("retry_policy", builder).keys


@pytest.mark.parametrize(("gap", "early"), [(2.0, False), (1.96, False), (1.9, True)])
def test_a_worker_waits_as_long_as_it_was_asked_to(verdict_on: Judge, gap: float, early: bool) -> None:
    """Two seconds, less what the clocks may be off."""
    builder = HistoryBuilder().online("alice/phone", BOB).push_token(BOB, 0.5)
    ask_again(builder, builder.send("m1", 2.0), (gap,), "throttled", 2.1, retry_after_ms=2000)
    assert kinds(verdict_on("retry_policy", builder)) == ({"too_soon"} if early else set())


def test_equal_waits_that_were_asked_for_are_no_missing_backoff(verdict_on: Judge) -> None:
    """The provider set the rhythm."""
    builder = HistoryBuilder().online("alice/phone", BOB).push_token(BOB, 0.5)
    ask_again(builder, builder.send("m1", 2.0), (1.0,) * 7, "throttled", 2.1, retry_after_ms=1000)
    assert not verdict_on("retry_policy", builder).keys


@pytest.mark.parametrize(("answer", "facts"), [("accepted", {}), ("bad_request", {"http_status": 400})])
def test_what_is_final_is_not_asked_again(verdict_on: Judge, answer: str, facts: dict[str, Any]) -> None:
    """Taken is taken and wrong stays wrong, unless the answer may have been lost."""
    builder = HistoryBuilder().online("alice/phone", BOB).push_token(BOB, 0.5)
    ask_again(builder, builder.send("m1", 2.0), (0.3,), answer, 2.1, **facts)
    assert kinds(verdict_on("retry_policy", builder)) == {"retried_final"}
    builder.fault("crash", 2.2, 3.0, kind="process.kill")
    assert not verdict_on("retry_policy", builder).keys


def test_a_storm_and_a_worker_without_end_are_seen(verdict_on: Judge) -> None:
    """Twelve requests in a second, and thirty in all."""
    assert kinds(verdict_on("retry_policy", asked((0.05,) * 11))) == {"storm", "no_backoff"}
    assert kinds(verdict_on("retry_policy", asked((0.5, *(1.0,) * 25)))) == {"endless"}


@pytest.mark.parametrize(("spread", "broken"), [(0.0, True), (0.25, False)])
def test_first_retries_do_not_come_together(verdict_on: Judge, spread: float, broken: bool) -> None:
    """Nine messages that failed at once and come back at once."""
    rng, builder = random.Random(1), HistoryBuilder().online("alice/phone", BOB).push_token(BOB, 0.5)
    for number in range(9):
        message = builder.send(f"m{number}", 2.0 + number / 100)
        ask_again(builder, message, (0.2 * (1 - spread * rng.random()),), "server_error", 2.1 + number / 100)
    assert kinds(verdict_on("retry_policy", builder)) == ({"no_jitter"} if broken else set())


def tried(gaps: Sequence[float], *, retry_after_ms: int | None = None) -> tuple[HistoryBuilder, Message]:
    """A client's message is refused for the time being, and tried again after these gaps."""
    builder = HistoryBuilder().online("alice/phone", BOB)
    message, at_s = builder.send("m1", 2.0, answers=(None,)), 2.01
    for number, gap in enumerate((*gaps, None), start=1):
        builder.refuse(message, at_s, attempt=number, http_status=503, retry_after_ms=retry_after_ms)
        if gap is not None:
            builder.attempt(message, number + 1, at_s + gap, None)
            at_s += gap + 0.01
    return builder, message


@pytest.mark.parametrize(
    ("gaps", "retry_after_ms", "expected"),
    [
        ((0.1, 0.2, 0.4, 0.8, 1.6, 2.0), None, set()),
        ((0.05,) * 7, None, {"client_no_backoff"}),
        ((0.05,) * 12, None, {"client_no_backoff", "client_storm"}),
        ((1.0, 1.2), 1000, set()),
        ((0.3,), 1000, {"client_too_soon"}),
    ],
)
def test_a_naive_client_is_judged_by_its_own_attempts(
    verdict_on: Judge, gaps: tuple[float, ...], retry_after_ms: int | None, expected: set[str]
) -> None:
    """It backs off and waits when it is asked to; the outbox that comes with the harness is not on trial."""
    builder, _ = tried(gaps, retry_after_ms=retry_after_ms)
    found = verdict_on("retry_policy", builder, client="naive")
    assert (found.exercised, kinds(found)) == (len(gaps), expected)
    assert verdict_on("retry_policy", builder) == Judged(exercised=0)


def test_a_retry_keeps_its_id(verdict_on: Judge) -> None:
    """Written anew it is another message: the service stores both, and is not to blame."""
    builder = HistoryBuilder().online("alice/phone", BOB)
    message = builder.send("m1", 2.0, answers=("unknown", "ok"))
    assert not verdict_on("retry_policy", builder, client="naive").keys
    other = HistoryBuilder().online("alice/phone", BOB)
    first = other.send("m1", 2.0, answers=("unknown",))
    other.add("client_retry_scheduled", 2.02, op="c-m1", client_message_id="c-m1", attempt=2, delay_ms=100)
    facts = {"op": "c-m1", "client_message_id": "c-m1-again2", "conversation_id": "c1", "attempt": 2}
    other.add("client_send_started", 2.5, sender="alice", recipient="bob", device="alice/phone", **facts)
    other.add(
        "server_accepted", 2.51, outcome="ok", message_id="s-m2", conversation_seq=2, device="alice/phone", **facts
    )
    again: dict[str, Any] = {"client_message_id": "c-m1-again2", "message_id": "s-m2"}
    other.live(first, BOB, 2.52).live(first, BOB, 2.53, **again)
    for person in ("alice", "bob"):
        other.stored(first, person).stored(first, person, **again)
        detail = {"complete": True, "messages": 2}
        other.add("oracle_completed", 47.0, observer="oracle", recipient=person, detail=detail)
    assert kinds(verdict_on("retry_policy", other, client="naive")) == {"client_new_id"}
    for check in ("no_duplicates", "nothing_unsent", "acked_never_lost", "recovered"):
        assert not verdict_on(check, other, client="naive").keys, check
    assert message.client_message_id == first.client_message_id
