"""to_device: messages to single devices that are lost, late, altered or come again, and the nearest legal histories."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from harness.checks.oracles import Judged
from harness.core.stack import Promises
from harness.testing.blows import strike
from harness.testing.generated import plausible_keys
from harness.testing.histories import FINAL_SYNC_S, HistoryBuilder

Judge = Callable[..., Judged]
BOB = "bob/phone"
CONFIRMED_S = 6.0


def sent(at_s: float = 5.0, **facts: Any) -> HistoryBuilder:
    """Alice sends one message to bob's phone, which follows its cursor to the end."""
    builder = HistoryBuilder().online("alice/phone", BOB, "bob/laptop").final_sync(BOB, "bob/laptop")
    return builder.to_device("k", at_s, BOB, **facts)


def kinds(found: Judged) -> list[str]:
    """What was found."""
    return sorted(kind for kind, *_ in found.keys)


def test_nothing_is_judged_where_nothing_was_sent(verdict_on: Judge) -> None:
    """A history without such messages exercises nothing."""
    assert verdict_on("to_device", HistoryBuilder().online(BOB).final_sync(BOB)) == Judged(exercised=0)


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        ([], ["lost"]),
        ([("bob/laptop", 5.1)], ["lost"]),
        ([(BOB, 12.9)], []),
        ([(BOB, 13.1)], ["late"]),
    ],
    ids=["never", "at another device", "in time", "late"],
)
def test_what_was_accepted_reaches_its_device_in_time(
    verdict_on: Judge, arrivals: Sequence[tuple[str, float]], expected: list[str]
) -> None:
    """Three seconds after the undisturbed time began at 10, as the device is connected."""
    builder = sent()
    for device, at_s in arrivals:
        builder.for_device("k", device, at_s)
    found = verdict_on("to_device", builder)
    assert (found.exercised, kinds(found)) == (1, expected)


@pytest.mark.parametrize("answer", ["fail", "unknown", None])
def test_what_nobody_was_promised_need_not_arrive(verdict_on: Judge, answer: Any) -> None:
    """A refused, doubtful or unanswered send owes nothing."""
    builder = sent(answers=(answer,)).to_device("other", 6.0, "bob/laptop").for_device("other", "bob/laptop", 6.1)
    assert verdict_on("to_device", builder) == Judged(exercised=1)


def test_a_device_that_is_away_gets_it_when_it_is_back(verdict_on: Judge) -> None:
    """The time runs from its return; before it nothing is late, and what never comes is lost."""
    builder = sent().lose(BOB, 4.0).offline(BOB, 4.0).online(BOB, at_s=30.0)
    assert kinds(verdict_on("to_device", builder)) == ["lost"]
    assert verdict_on("to_device", builder.for_device("k", BOB, 32.9)) == Judged(exercised=1)


def test_it_is_late_by_the_last_fault_at_the_earliest(verdict_on: Judge) -> None:
    """What was held up by a fault is due only after it."""
    builder = sent().fault("hole", 4.0, 18.0)
    assert verdict_on("to_device", builder.for_device("k", BOB, 20.9)) == Judged(exercised=1)


def test_a_witness_that_was_held_up_convicts_nobody_of_being_late(verdict_on: Judge) -> None:
    """Its record may be late, not the message."""
    builder = sent().for_device("k", BOB, 13.5).add("recorder_stall", 13.0, detail={"took_ms": 900.0})
    assert verdict_on("to_device", builder) == Judged(exercised=0, undecided=1)


def test_a_device_that_has_not_followed_to_the_end_is_undecided(verdict_on: Judge) -> None:
    """Whether it would have come nobody knows, unless it was connected for long enough."""
    builder = HistoryBuilder().online("alice/phone", BOB).lose(BOB, 4.0).to_device("k", 5.0, BOB)
    assert verdict_on("to_device", builder) == Judged(exercised=0, undecided=1)


def test_what_was_accepted_at_the_very_end_is_not_due(verdict_on: Judge) -> None:
    """A service has its time to hand a message out."""
    assert verdict_on("to_device", sent(at_s=FINAL_SYNC_S - 2.0)) == Judged(exercised=0)


def test_a_device_that_logs_in_afresh_is_owed_nothing_from_before(verdict_on: Judge) -> None:
    """To many services it is another device by then."""
    assert verdict_on("to_device", sent().token(BOB, "new", 7.0)) == Judged(exercised=0)
    assert kinds(verdict_on("to_device", sent().token(BOB, "first", 1.0))) == ["lost"]


@pytest.mark.parametrize(
    ("again_s", "via", "answers", "expected"),
    [
        (5.9, "live", ("ok",), []),
        (6.1, "live", ("ok",), ["again"]),
        (6.1, "sync", ("ok",), []),
        (6.1, "live", ("unknown", "ok"), []),
    ],
    ids=["before", "after", "to one who has not said what is there", "sent twice"],
)
def test_nothing_comes_again_once_it_was_confirmed(
    verdict_on: Judge, again_s: float, via: str, answers: Any, expected: list[str]
) -> None:
    """A repeat before is legal: the answer that brought it may have been lost."""
    builder = sent(answers=answers).for_device("k", BOB, 5.6).confirmed("k", BOB, CONFIRMED_S)
    found = verdict_on("to_device", builder.for_device("k", BOB, again_s, via=via))
    assert (found.exercised, kinds(found)) == (1, expected)


def test_another_body_is_told(verdict_on: Judge) -> None:
    """What arrives is what was sent."""
    builder = sent().for_device("k", BOB, 5.1, body_digest="body-other")
    assert kinds(verdict_on("to_device", builder)) == ["altered"]


def test_generated_histories_without_damage_break_no_promise(
    by_both: Callable[..., dict[str, Judged]], promises: Promises
) -> None:
    """No false alarm where people come and go and copies come before they are confirmed."""
    for seed in (1, 2):
        found = by_both(plausible_keys(random.Random(seed), 8).events(), promises)["to_device"]
        assert (found.exercised, found.keys) == (8, frozenset())


def test_twins_agree_on_damaged_histories(by_both: Callable[..., dict[str, Judged]], promises: Promises) -> None:
    """SQL and Python find the same in histories with planted damage, and there is damage that they find."""
    kinds = set()
    for seed in range(6):
        rng = random.Random(seed)
        found = by_both(strike(rng, plausible_keys(rng, 8).events(), 40), promises)["to_device"]
        kinds |= {kind for kind, *_ in found.keys}
    assert len(kinds) > 1
