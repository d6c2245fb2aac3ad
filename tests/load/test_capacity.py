"""The search for the rate that a stack holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.core.plan import FaultPlan, LoadPlan, LoadStep, PersonPlan, PhasePlan, ScenarioPlan, SloPlan, Start
from harness.core.results import Reason
from harness.core.verdicts import Verdict
from harness.load.capacity import Outcome, Search, Trial, capacity_of, next_rate, outcome_of, trial_of
from harness.load.planning import BOUNDS, Wishes, steady
from harness.testing.results import judged

SLOW = Reason(code="slo", text="online_delivery_p95: 3 s", verdict=Verdict.FAIL)
LATE = Reason(code="generator_lag", text="too slow a machine", verdict=Verdict.INCONCLUSIVE)
LOST = Reason(code="violated", check="acked_never_lost", text="m-1 is gone", verdict=Verdict.FAIL)
DEAD = Reason(code="service_died", text="chat ended", verdict=Verdict.ERROR)
BROKEN = Reason(code="environment", text="no room", verdict=Verdict.ERROR)
OPEN = Reason(code="slo", text="too few", verdict=Verdict.INCONCLUSIVE)


def played(search: Search, outcome_at: Callable[[float, int], Outcome]) -> list[Trial]:
    """Search to the end; ``outcome_at`` gets the rate and how often it was tried before."""
    trials: list[Trial] = []
    while (rate := next_rate(search, trials)) is not None:
        before = sum(trial.rate_per_s == rate for trial in trials)
        trials.append(Trial(rate, outcome_at(rate, before), "because"))
    return trials


@given(st.floats(1.0, 500.0), st.floats(0.05, 1.0), st.floats(1.0, 4000.0))
def test_both_ends_are_found_and_seen_twice(start: float, resolution: float, limit: float) -> None:
    """Whatever the first rate was: the limit lies between two rates that are near enough, each tried twice."""
    assume(not start / 64 * 0.95 < limit < start / 64 * 1.05)  # rates have three digits
    search = Search(start, resolution, steps=60)
    trials = played(search, lambda rate, _: "held" if rate <= limit else "broke")
    found = capacity_of(search, trials)
    if limit < start / 64:
        assert not found.found
        return
    assert found.found
    low, high = found.held_per_s, found.broke_per_s
    assert low is not None
    assert high is not None
    assert low <= limit < high
    assert high <= low * (1 + resolution) * 1.02
    assert [sum(trial.rate_per_s == end for trial in trials) for end in (low, high)] == [2, 2]


def test_an_end_that_breaks_the_second_time_is_no_end() -> None:
    """The confirmation that fails sends the search further down."""
    flaky = {20.0: ["held", "broke"]}
    search = Search(10.0, 1.0)
    trials = played(search, lambda rate, n: flaky.get(rate, ["held"] * 9 if rate < 20 else ["broke"] * 9)[n])
    found = capacity_of(search, trials)
    assert (found.held_per_s, found.broke_per_s) == (10.0, 20.0)
    assert "10/s held (2 of 2 runs); 20/s broke (1 of 2 runs): because" in found.text


def test_a_late_generator_is_asked_twice_and_then_blamed() -> None:
    """The machine of the people gave out: what the service holds is at least the rate below, and it is no answer."""
    search = Search(100.0, 0.2)
    trials = played(search, lambda rate, _: "held" if rate <= 250 else "generator")
    found = capacity_of(search, trials)
    assert (found.limit, found.found) == ("generator", False)
    assert found.held_per_s is not None
    assert 200 <= found.held_per_s <= 250
    assert "it was the generator that gave out, not the service" in found.text


def test_what_was_late_once_may_hold() -> None:
    """Somebody else's work on the machine is no limit."""
    search = Search(100.0, 1.0)
    trials = played(search, lambda rate, n: "broke" if rate > 150 else "generator" if n == 0 else "held")
    assert capacity_of(search, trials).found


def test_nothing_to_learn_any_more() -> None:
    """What twice cannot be played ends the search, and so does the last step; each says so."""
    search = Search(10.0, 0.1, steps=3)
    error = played(search, lambda *_: "error")
    assert [trial.rate_per_s for trial in error] == [10.0, 10.0]
    assert "could not be played" in capacity_of(search, error).text
    upwards = played(search, lambda *_: "held")
    assert [trial.rate_per_s for trial in upwards] == [10.0, 20.0, 40.0]
    assert "nothing gave out: 40/s held" in capacity_of(search, upwards).text
    coarse = played(search, lambda rate, _: "held" if rate < 20 else "broke")
    assert capacity_of(search, coarse).found
    assert "not enough steps to come nearer than" in capacity_of(search, coarse).text


def test_what_could_not_be_played_once_may_hold() -> None:
    """A machine that was short of something for a moment says nothing of the service."""
    search = Search(100.0, 1.0)
    trials = played(search, lambda rate, n: "broke" if rate > 150 else "error" if n == 0 else "held")
    assert capacity_of(search, trials).found


def test_nobody_can_tell_is_no_answer() -> None:
    """Too few samples at a rate, twice: that rate is no limit of the service."""
    search = Search(10.0, 1.0)
    found = capacity_of(search, played(search, lambda rate, _: "held" if rate < 20 else "undecided"))
    assert (found.limit, found.found) == ("none", False)
    assert "nobody could tell" in found.text


@pytest.mark.parametrize(
    ("reasons", "verdict", "outcome"),
    [
        ((), Verdict.PASS, "held"),
        ((SLOW,), Verdict.FAIL, "broke"),
        ((SLOW, LATE), Verdict.FAIL, "generator"),
        ((LATE,), Verdict.INCONCLUSIVE, "generator"),
        ((LOST, LATE), Verdict.FAIL, "broke"),
        ((DEAD,), Verdict.ERROR, "broke"),
        ((BROKEN,), Verdict.ERROR, "error"),
        ((OPEN,), Verdict.INCONCLUSIVE, "undecided"),
    ],
    ids=["held", "slow", "slow and late", "late", "lost and late", "died", "environment", "few"],
)
def test_what_a_step_says(reasons: Sequence[Reason], verdict: Verdict, outcome: Outcome) -> None:
    """Slow answers of a machine that was late are not the service's; a lost message and a dead service are."""
    result = result_of(verdict, tuple(reasons))
    assert outcome_of(result) == outcome
    assert bool(trial_of(5.0, result).why) == bool(reasons)


def result_of(verdict: Verdict, reasons: tuple[Reason, ...]) -> Any:
    """A result with that verdict for those reasons."""
    return judged(verdict=verdict, reasons=reasons)


PLAN = ScenarioPlan(
    name="n",
    title="t",
    source="s",
    line=1,
    stack="reference",
    people=(PersonPlan("alice"), PersonPlan("bob")),
    workloads=(),
    phases=PhasePlan(2.0, 40.0, 4.0),
    faults=(FaultPlan("cut", "network.down", "client->chat", Start(at_s=1.0), 1.0),),
    required_checks=("recovered",),
    catches={},
    slos=(SloPlan("offline_sync_success", 1.0),),
    load=LoadPlan(100, 20.0, (LoadStep(0.5, 10.0), LoadStep(0.1, 60.0)), warmup_s=3.0),
)


def test_a_step_is_one_plateau_without_faults() -> None:
    """All people at the speed of the first ramp, undisturbed, held to bounds of its own where the file has none."""
    step = steady(PLAN, Wishes(rate_per_s=50.0, duration_s=15.0), faults=False)
    assert (step.faults, step.required_checks, step.slos) == ((), (), BOUNDS)
    assert step.phases == PhasePlan(23.0, 15.0, 4.0)
    assert step.crowd == LoadPlan(100, 50.0, (LoadStep(1.0, 20.0),), warmup_s=3.0, plateau=True)


def test_a_low_rate_takes_longer() -> None:
    """A hundred messages at least, without which nobody can tell a percentile."""
    assert steady(PLAN, Wishes(rate_per_s=2.0, duration_s=15.0), faults=False).phases.observe_s == 50.0


def test_faults_are_kept_on_demand() -> None:
    """Then a step lasts as long as they need, and everything that the scenario asks for must hold."""
    own = replace(PLAN, slos=(SloPlan("acceptance_p95", 3.0), SloPlan("offline_sync_success", 1.0)))
    step = steady(own, Wishes(rate_per_s=50.0, duration_s=15.0), faults=True)
    assert (step.faults, step.required_checks, step.slos) == (own.faults, own.required_checks, own.slos)
    assert step.phases.observe_s == 40.0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_rate_that_a_limit_allows_is_found(loaded: Callable[..., Any]) -> None:
    """A backend that takes 22 messages a second holds 20 and not 40, and each step is a run of its own."""
    flags = ("--find-capacity", "--duration", "8s", "--steps", "2", "--set", "rate_overall=22")
    # At 40/s those who write last wait for more than six seconds: far from what a busy machine does by itself.
    run = loaded(*flags, slo="{acceptance_p95: 4s}", within_s=280)
    assert run.status == 0, run.errors
    found = run.document
    assert (found["found"], found["limit"]) == (True, "service")
    assert (found["held_per_s"], found["broke_per_s"]) == (20.0, 40.0)
    assert [step["outcome"] for step in found["steps"]] == ["held", "broke"]
    assert len({step["run"] for step in found["steps"]}) == 2
    assert all(step["slos"] and step["resources"] for step in found["steps"])
    assert run.events("fault_commanded") == []
    assert "step 2: 40/s broke" in run.errors


def test_a_step_too_small_is_a_mistake(loaded: Callable[..., Any]) -> None:
    """Two rates are never the same."""
    run = loaded("--find-capacity", "--resolution", "0%")
    assert run.status == 2
    assert "--resolution" in run.errors
