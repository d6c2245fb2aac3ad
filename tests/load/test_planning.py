"""A scenario of a few people under a crowd."""

from __future__ import annotations

import shlex
from dataclasses import replace
from itertools import pairwise

import pytest

from harness.core.errors import UsageError
from harness.core.plan import (
    DirectWorkload,
    FaultPlan,
    LoadPlan,
    LoadStep,
    MixPlan,
    PersonPlan,
    PhasePlan,
    ScenarioPlan,
    Start,
)
from harness.engine.options import RunOptions
from harness.engine.session import replay_line
from harness.load.planning import Wishes, steady, under_load
from harness.load.shapes import is_one_ramp, target_at
from harness.scenario.units import parse_duration, parse_rate

RAMP = LoadStep(1.0, 20.0)
PLAN = ScenarioPlan(
    name="n",
    title="t",
    source="s",
    line=1,
    stack="reference",
    people=(PersonPlan("alice"), PersonPlan("bob"), PersonPlan("carol")),
    workloads=(DirectWorkload("alice", "bob", 5.0), DirectWorkload("carol", "bob", 5.0)),
    phases=PhasePlan(2.0, 10.0, 4.0),
    faults=(),
    required_checks=(),
    catches={},
    load=LoadPlan(100, 20.0, (RAMP, LoadStep(1.0, 60.0)), warmup_s=10.0),
)
CUT = FaultPlan("cut", "network.down", "client:alice->chat", Start(at_s=1.0), 1.0)


def test_the_crowd_takes_everybodys_place() -> None:
    """Nobody is named by a fault: nobody of the file is left, and the file's text stays what it was."""
    loaded = under_load(PLAN, Wishes())
    assert (loaded.people, loaded.workloads) == ((), ())
    assert loaded.crowd == PLAN.load
    assert PLAN.crowd is None


@pytest.mark.parametrize(
    "fault",
    [
        CUT,
        replace(CUT, target="client:alice/phone->chat"),
        replace(CUT, target="client->chat", start=Start(after="server_accepted", of="alice")),
        FaultPlan("late", "clock.device", "alice/phone", Start(at_s=0.0), None, {"offset": 60.0}),
        FaultPlan("out", "token.expire", "alice", Start(at_s=0.0), None),
    ],
    ids=["link", "device link", "start", "device", "person"],
)
def test_whom_a_fault_names_stays(fault: FaultPlan) -> None:
    """The named person goes on with what they do, and so does whoever does it with them."""
    loaded = under_load(replace(PLAN, faults=(fault,)), Wishes())
    assert [person.name for person in loaded.people] == ["alice", "bob"]
    assert loaded.workloads == (DirectWorkload("alice", "bob", 5.0),)


def test_phases_cover_the_shape() -> None:
    """Faults wait for the ramp and the warm-up; what is left of the shape is observed."""
    assert under_load(PLAN, Wishes()).phases == PhasePlan(30.0, 46.0, 4.0)


def test_a_duration_makes_it_longer_never_shorter_than_the_scenario() -> None:
    """The faults of the scenario need the time that it gives them."""
    assert under_load(PLAN, Wishes(duration_s=120.0)).phases == PhasePlan(30.0, 86.0, 4.0)
    assert under_load(PLAN, Wishes(duration_s=1.0)).phases == PhasePlan(30.0, 10.0, 4.0)


def test_the_command_line_wins() -> None:
    """People and rate of the flags replace those of the file."""
    crowd = under_load(PLAN, Wishes(people=10, rate_per_s=3.0)).crowd
    assert crowd is not None
    assert (crowd.people, crowd.rate_per_s, crowd.shape) == (10, 3.0, PLAN.load and PLAN.load.shape)


def test_more_people_take_longer_to_come() -> None:
    """Where the file says how many come a second, the ramp is as long as that takes; steps of its own stay."""
    load = LoadPlan(100, 20.0, (LoadStep(1.0, 2.0), LoadStep(1.0, 60.0)), arrivals_per_s=50.0)
    crowd = under_load(replace(PLAN, load=load), Wishes(people=500)).crowd
    assert crowd is not None
    assert crowd.shape == (LoadStep(1.0, 10.0), LoadStep(1.0, 60.0))


def test_a_hot_group_has_no_more_members_than_there_are_people() -> None:
    """Fewer people of the command line are fewer in the group, and a stack without groups cannot play it."""
    load = LoadPlan(100, 20.0, (RAMP,), mix=MixPlan(hot=0.1, hot_members=100))
    loaded = under_load(replace(PLAN, load=load), Wishes(people=30))
    assert loaded.crowd is not None
    assert loaded.crowd.mix.hot_members == 30
    assert loaded.needs == ("groups",)


def test_the_files_own_duration_counts() -> None:
    """The last share is held until it is over, unless the command line says otherwise."""
    load = LoadPlan(100, 20.0, (RAMP,), warmup_s=10.0, duration_s=200.0)
    plan = replace(PLAN, load=load)
    assert under_load(plan, Wishes()).phases == PhasePlan(30.0, 166.0, 4.0)
    assert under_load(plan, Wishes(duration_s=100.0)).phases == PhasePlan(30.0, 66.0, 4.0)


def test_a_scenario_without_load_needs_the_flags() -> None:
    """Who gives neither is told both ways out."""
    bare = replace(PLAN, load=None)
    with pytest.raises(UsageError, match="nothing of load") as told:
        under_load(bare, Wishes(people=10))
    assert "--rate" in told.value.hint
    crowd = under_load(bare, Wishes(people=200, rate_per_s=1.0)).crowd
    assert crowd is not None
    assert crowd.shape == (LoadStep(1.0, 2.0),)


def test_ramp_hold_spike_and_away() -> None:
    """Locust is told where the number goes and how fast; a hold changes nothing, nor does the end."""
    steps = (LoadStep(0.5, 10.0), LoadStep(0.5, 5.0), LoadStep(1.0, 1.0), LoadStep(0.1, 2.0))
    told = [target_at(seconds, steps, 100) for seconds in (0.0, 9.9, 10.0, 14.9, 15.0, 16.0, 99.0)]
    assert told == [(50, 5.0)] * 4 + [(100, 50.0), (10, 45.0), (10, 45.0)]
    assert not is_one_ramp(steps)
    assert is_one_ramp(steps[:2])


def flags_of(plan: ScenarioPlan) -> dict[str, str]:
    """The flags of the line that repeats a run, each with the word after it."""
    words = shlex.split(replay_line(plan, RunOptions(seed=7)))
    return {flag: value for flag, value in pairwise(words) if flag.startswith("--")}


@pytest.mark.parametrize("wishes", [Wishes(), Wishes(people=30, rate_per_s=2.5), Wishes(duration_s=120.0)])
def test_the_line_that_repeats_a_run_makes_the_same_crowd(wishes: Wishes) -> None:
    """Whatever was asked for on the command line, and what follows from it, is in the line."""
    plan = under_load(PLAN, wishes)
    flags = flags_of(plan)
    again = Wishes(int(flags["--users"]), parse_rate(flags["--rate"]), parse_duration(flags["--duration"]))
    assert under_load(PLAN, again) == plan


@pytest.mark.parametrize("faults", [True, False])
def test_a_step_of_a_search_is_repeated_as_one(faults: bool) -> None:
    """A search of a single step at the same rate, with the faults if they were kept."""
    own = replace(PLAN, faults=(CUT,))
    plan = steady(own, Wishes(people=30, rate_per_s=2.5), faults=faults)
    flags = flags_of(plan)
    assert ("--find-capacity" in flags, flags["--steps"]) == (True, "1")
    assert ("--keep-faults" in replay_line(plan, RunOptions(seed=7))) is faults
    again = Wishes(int(flags["--users"]), parse_rate(flags["--rate"]), parse_duration(flags["--duration"]))
    assert steady(own, again, faults=faults) == plan
