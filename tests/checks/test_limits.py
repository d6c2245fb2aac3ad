"""limits_honoured: enforced, announced, fair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.checks.oracles import Judged
from harness.testing.histories import HistoryBuilder

Judge = Callable[..., Judged]


def limited(**rates: float) -> HistoryBuilder:
    """Limits that are in force from second 5 to second 12."""
    builder = HistoryBuilder().online("alice/phone", "alice/laptop", "bob/phone")
    facts: dict[str, Any] = {"fault": "tight", "service": "chat", "observer": "engine"}
    builder.add("fault_installed", 5.0, detail={"kind": "rate_limit.lower", **rates}, **facts)
    return builder.add("fault_healed", 12.0, detail={"kind": "rate_limit.lower"}, **facts)


def burst(builder: HistoryBuilder, count: int, gap_s: float, from_s: float = 6.0, **facts: Any) -> HistoryBuilder:
    """So many messages are taken, one after the other."""
    for number in range(count):
        builder.send(f"{facts.get('device', 'a')}-{from_s}-{number}", from_s + number * gap_s, **facts)
    return builder


def kinds(found: Judged) -> list[str]:
    """The ways in which it was broken."""
    return sorted(kind for kind, _, _, _ in found.keys)


@pytest.mark.parametrize(
    ("count", "gap_s", "from_s", "broken"),
    [(5, 0.15, 6.0, False), (6, 0.15, 6.0, True), (12, 0.5, 5.1, False), (9, 0.1, 3.0, False), (9, 0.1, 11.0, False)],
)
def test_a_person_gets_no_more_through_than_the_limit(
    verdict_on: Judge, count: int, gap_s: float, from_s: float, broken: bool
) -> None:
    """Two a second: a second's worth at once, its share of the span, and one that may have fallen on the edge."""
    found = verdict_on("limits_honoured", burst(limited(per_user=2.0), count, gap_s, from_s))
    assert kinds(found) == (["exceeded"] if broken else [])


def test_all_devices_of_a_person_count_together_and_people_do_not(verdict_on: Judge) -> None:
    """Four and four by one person are eight; by two people they are four each."""
    builder = burst(limited(per_user=2.0), 4, 0.1)
    assert not verdict_on("limits_honoured", burst(builder, 4, 0.1, device="bob/phone", to="alice")).keys
    assert kinds(verdict_on("limits_honoured", burst(builder, 4, 0.1, device="alice/laptop"))) == ["exceeded"]


@pytest.mark.parametrize(("overall", "expected"), [(2.0, ["exceeded_overall"]), (6.0, [])])
def test_a_limit_for_all_counts_everybody(verdict_on: Judge, overall: float, expected: list[str]) -> None:
    """Eight messages of two people within half a second."""
    builder = burst(limited(overall=overall), 4, 0.1)
    assert kinds(verdict_on("limits_honoured", burst(builder, 4, 0.1, device="bob/phone", to="alice"))) == expected


def test_answers_that_come_together_were_not_taken_together(verdict_on: Judge) -> None:
    """Sent over three seconds and acknowledged all at once: nobody knows when the service took them."""
    builder = limited(per_user=1.0)
    for number in range(6):
        message = builder.send(f"m{number}", 6.0 + number * 0.6, answers=(None,))
        builder.acknowledge(message, 9.5 + number / 100)
    assert not verdict_on("limits_honoured", builder).keys


def test_what_was_in_doubt_may_have_been_taken_before(verdict_on: Judge) -> None:
    """Repeated sends of what is stored already need no quota."""
    builder = limited(per_user=1.0)
    for number in range(8):
        message = builder.send(f"m{number}", 4.0 + number / 100, answers=("unknown",))
        builder.attempt(message, 2, 6.0 + number / 100, "ok")
    assert not verdict_on("limits_honoured", builder).keys


@pytest.mark.parametrize("kind", ["process.kill", "process.restart"])
def test_a_service_that_started_anew_may_have_forgotten_the_limit(verdict_on: Judge, kind: str) -> None:
    """It was set in the process that is gone."""
    builder = burst(limited(per_user=2.0), 9, 0.1, 8.0)
    assert kinds(verdict_on("limits_honoured", builder)) == ["exceeded"]
    assert not verdict_on("limits_honoured", builder.fault("crash", 7.0, 7.5, kind=kind)).keys


@pytest.mark.parametrize(("retry_after_ms", "expected"), [(500, []), (None, ["unannounced"]), (0, ["unannounced"])])
def test_a_refusal_says_when_to_come_back(verdict_on: Judge, retry_after_ms: int | None, expected: list[str]) -> None:
    """Whatever limit it was."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    message = builder.send("m1", 2.0, answers=(None,))
    builder.refuse(message, 2.01, error_code="rate_limited", retry_after_ms=retry_after_ms)
    found = verdict_on("limits_honoured", builder)
    assert (found.exercised, kinds(found)) == (1, expected)


@pytest.mark.parametrize(
    ("before_s", "rates", "expected"),
    [
        (None, {"per_user": 2.0}, ["unfair"]),
        (6.5, {"per_user": 2.0}, []),
        (5.9, {"per_user": 2.0}, ["unfair"]),
        (5.9, {"per_user": 0.5}, []),
        (None, {"overall": 2.0}, []),
    ],
)
def test_nobody_is_refused_for_the_messages_of_others(
    verdict_on: Judge, before_s: float | None, rates: dict[str, float], expected: list[str]
) -> None:
    """Alice has written nothing for a while, or only just; a limit for all may well strike her."""
    builder = limited(**rates)
    if before_s is not None:
        builder.send("before", before_s, device="alice/laptop")
    message = builder.send("m1", 7.0, answers=(None,))
    builder.refuse(message, 7.01, http_status=429, retry_after_ms=100)
    assert kinds(verdict_on("limits_honoured", builder)) == expected
