"""Service levels: what counts as a sample, and when a bound is broken, kept or in doubt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.checks.levels import LEVELS
from harness.checks.slos import Figures, judge_slos, slo_reasons
from harness.core.plan import SloPlan
from harness.core.verdicts import Verdict
from harness.history.ingest import open_history
from harness.testing.histories import PHASES, HistoryBuilder

Measure = Callable[..., dict[str, Figures]]
BOB = "bob/phone"


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    """Measure a built history, with bounds as keyword arguments; the figures by level."""

    def measured(builder: HistoryBuilder, samples: int | None = None, **bounds: float) -> dict[str, Figures]:
        plans = [SloPlan(name, bound, samples) for name, bound in bounds.items()]
        asked = "; ".join(level.sql for level in LEVELS)
        with open_history([builder.write(tmp_path / "events")], ask=asked) as history:
            return {str(one["id"]): one for one in judge_slos(history, plans)}

    return measured


def chat(count: int = 100, *, slow: int = 0) -> HistoryBuilder:
    """So many messages that Bob gets at once, of which some are acknowledged a second late only."""
    builder = HistoryBuilder().online("alice/phone", BOB)
    for number in range(count):
        at_s = 1.0 + number / 10
        message = builder.send(f"m{number}", at_s, answers=(None,))
        builder.acknowledge(message, at_s + (1.0 if number < slow else 0.01))
        builder.live(message, BOB, at_s + (1.01 if number < slow else 0.02))
    return builder


def test_times_count_from_the_moment_a_message_was_due(measure: Measure) -> None:
    """Ten milliseconds to the acknowledgement and twenty to Bob, and the interval is as narrow."""
    found = measure(chat())
    assert found["acceptance_p95"] == {
        "id": "acceptance_p95",
        "samples": 100,
        "value_ms": 10.0,
        "low_ms": 10.0,
        "high_ms": 10.0,
    }
    assert found["online_delivery_p50"]["value_ms"] == 20.0


def test_only_the_plateau_counts_where_that_is_asked_for(tmp_path: Path) -> None:
    """What was due before inject or after heal is left out of sends and deliveries alike, and only for that once."""
    builder = HistoryBuilder().online("alice/phone", BOB)
    for name, due_s in (("ramp", 0.5), ("first", 1.5), ("last", 19.5), ("quiet", 21.0)):
        builder.live(builder.send(name, due_s), BOB, due_s + 0.02)
    with open_history([builder.write(tmp_path / "events")]) as history:
        found = {one["id"]: one["samples"] for one in judge_slos(history, (), plateau=True)}
        again = {one["id"]: one["samples"] for one in judge_slos(history, ())}
    assert (found["acceptance_p95"], found["online_delivery_p95"], found["send_success"]) == (2, 2, 2)
    assert (again["acceptance_p95"], again["online_delivery_p95"], again["send_success"]) == (4, 4, 4)


def test_a_message_that_had_to_wait_for_its_client_counts_from_its_due_time(measure: Measure) -> None:
    """Open loop: a client that was held up does not make the service look quick."""
    builder = HistoryBuilder().online("alice/phone", BOB)
    facts: dict[str, Any] = {"op": "c1", "client_message_id": "c1", "device": "alice/phone", "sender": "alice"}
    builder.add("client_send_started", 5.0, intended_ns=1_000_000_000_000 + 2_000_000_000, **facts)
    builder.add("server_accepted", 5.1, message_id="s1", **facts)
    assert measure(builder)["acceptance_p50"]["value_ms"] == 3100.0


def test_what_was_never_done_counts_as_the_whole_run(measure: Measure) -> None:
    """Dropping it would give the worst service the best figures."""
    builder = chat(9)
    builder.send("lost", 15.0, answers=("unknown",))
    found = measure(builder)
    assert found["acceptance_p95"]["value_ms"] == PHASES["final"] * 1000
    assert (found["send_success"]["samples"], found["send_success"]["value"]) == (10, 0.9)


def test_a_message_that_was_refused_for_good_was_answered(measure: Measure) -> None:
    """It is no success, and no wait without end either."""
    builder = chat(9)
    refused = builder.send("refused", 15.0, answers=("fail",))
    found = measure(builder.give_up(refused, 15.02, "fail"))
    assert (found["acceptance_p95"]["samples"], found["send_success"]["value"]) == (9, 0.9)


@pytest.mark.parametrize(
    ("slow", "bound_s", "verdict"),
    [(0, 0.5, "pass"), (20, 0.5, "fail"), (4, 0.5, "inconclusive"), (4, 1.0, "pass"), (4, 0.009, "fail")],
)
def test_a_bound_is_judged_by_the_whole_interval(measure: Measure, slow: int, bound_s: float, verdict: str) -> None:
    """With 4 of 100 slow the 95th percentile may be on either side of half a second."""
    found = measure(chat(slow=slow), acceptance_p95=bound_s)["acceptance_p95"]
    assert (found["verdict"], found["bound_ms"]) == (verdict, bound_s * 1000)


@pytest.mark.parametrize(
    ("samples", "count", "verdict"), [(None, 71, "inconclusive"), (None, 72, "pass"), (80, 72, "inconclusive")]
)
def test_too_few_samples_say_nothing(measure: Measure, samples: int | None, count: int, verdict: str) -> None:
    """As many as the scenario asks for, or else as many as it takes to bound the percentile."""
    found = measure(chat(count), samples, acceptance_p95=5.0)["acceptance_p95"]
    assert found["verdict"] == verdict
    needed = samples or 72
    assert (f"too few samples ({count} of at least {needed})" in str(found["note"])) is (verdict == "inconclusive")


@pytest.mark.parametrize(
    ("lost", "bound", "verdict"),
    [(0, 0.95, "pass"), (0, 0.99, "inconclusive"), (9, 0.99, "fail"), (0, 1.0, "pass"), (1, 1.0, "fail")],
)
def test_a_share_is_judged_by_its_exact_interval(measure: Measure, lost: int, bound: float, verdict: str) -> None:
    """All of 100 shows 96% at least; to ask for all is to ask for no more than what was counted."""
    builder = chat(100 - lost)
    for number in range(lost):
        builder.send(f"lost{number}", 15.0 + number / 10, answers=("unknown",))
    assert measure(builder, send_success=bound)["send_success"]["verdict"] == verdict


def test_messages_for_a_device_that_is_away_count_as_syncs(measure: Measure) -> None:
    """Two of three were pulled in the end; none of them is an online delivery."""
    builder = HistoryBuilder().online("alice/phone", BOB).offline(BOB, 1.5)
    for number in range(3):
        message = builder.send(f"m{number}", 2.0 + number)
        if number:
            builder.sync(message, BOB, 30.0 + number, (None, str(number)))
    found = measure(builder)
    assert (found["offline_sync_success"]["samples"], found["offline_sync_success"]["value"]) == (3, 0.666667)
    assert "online_delivery_p50" not in found


def test_pushes_connections_and_copies_are_counted(measure: Measure) -> None:
    """One of two requests refused, one of three connects failed, one of two messages there twice."""
    builder = HistoryBuilder().online("alice/phone", BOB).push_token(BOB, 0.5)
    builder.add("push_token_registered", 0.6, device="alice/phone", outcome="fail")
    builder.add("connection_lost", 0.7, device=BOB, error_code="refused", detail={"clean": False})
    first, second = builder.send("m1", 2.0), builder.send("m2", 3.0, answers=("unknown", "ok"))
    builder.push(first, BOB, 2.1, "throttled").push(first, BOB, 2.9).live(first, BOB, 2.02)
    builder.stored(second, "alice").stored(second, "alice", message_id="s-again")
    found = measure(builder)
    values = {name: found[name]["value"] for name in ("push_rejection", "push_registration", "duplication")}
    assert values == {"push_rejection": 0.5, "push_registration": 0.5, "duplication": 0.5}
    assert found["connection_success"]["value"] == 0.666667
    assert (found["attempts_per_delivered"]["value"], found["attempts_per_delivered"]["samples"]) == (3.0, 1)


def test_the_time_to_recover_is_that_of_the_last_that_waited(measure: Measure) -> None:
    """Two messages were waiting at the healing, and the second was through three seconds later."""
    builder = HistoryBuilder().online("alice/phone", BOB).fault("cut", 5.0, 8.0)
    for name, at_s in (("m1", 9.0), ("m2", 11.0)):
        message = builder.send(name, 6.0, answers=("unknown",))
        builder.attempt(message, 2, at_s - 0.1, None).acknowledge(message, at_s, attempt=2)
    builder.send("later", 9.0)
    assert measure(builder)["time_to_recover"] == {
        "id": "time_to_recover",
        "samples": 2,
        "value_ms": 3000.0,
        "low_ms": 3000.0,
        "high_ms": 3000.0,
    }


def test_a_bound_on_what_did_not_happen_is_in_doubt(measure: Measure) -> None:
    """Without a single push nobody knows how many are refused."""
    found = measure(chat(3), push_rejection=0.01)["push_rejection"]
    assert (found["verdict"], found["samples"]) == ("inconclusive", 0)
    assert found["note"] == "there was nothing to measure; at most 1.0% was asked for"


def test_broken_and_doubtful_bounds_become_reasons(measure: Measure) -> None:
    """A bound that is kept is none."""
    found = measure(chat(slow=20), acceptance_p95=0.5, acceptance_p50=0.5, push_rejection=0.5)
    reasons = {reason.text.partition(":")[0]: (reason.code, reason.verdict) for reason in slo_reasons(found.values())}
    assert reasons == {"acceptance_p95": ("slo", Verdict.FAIL), "push_rejection": ("slo", Verdict.INCONCLUSIVE)}


def test_every_level_that_a_scenario_may_bound_is_measured() -> None:
    """The words of the scenario file are those of the measurement."""
    from harness.scenario.slos import SloModel  # noqa: PLC0415 - only this test needs it

    assert set(SloModel.model_fields) - {"recover_within"} <= {level.id for level in LEVELS}
