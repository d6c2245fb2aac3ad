"""Which scenarios of a folder are played here, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.places import scenarios_folder
from harness.core.plan import ScenarioPlan
from harness.engine.options import RunOptions
from harness.engine.session import job_for, playable
from harness.engine.stream import RunSkipped, StreamItem
from harness.scenario.loader import load_scenarios
from harness.scenario.stackfile import load_stack

SCENARIO = scenarios_folder() / "slept-too-long.chaos.yaml"


@pytest.fixture
def plan() -> ScenarioPlan:
    """A scenario made for Prosody, which sets two of its parameters."""
    [plan] = load_scenarios([SCENARIO])
    return plan


def test_what_is_not_on_this_machine_is_left_out_unless_it_was_asked_for(
    plan: ScenarioPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is played as far as it can be; whoever names the stack is told by its start what is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    told: list[StreamItem] = []
    assert not playable(job_for(plan, RunOptions(seed=1)), told.append)
    [skipped] = told
    assert isinstance(skipped, RunSkipped)
    assert skipped.reason == (
        "not on this machine: stack prosody needs prosody, which this machine lacks: "
        "apt-get install prosody prosody-modules lua-dbi-sqlite3"
    )
    assert playable(job_for(plan, RunOptions(seed=1, stack="prosody")), told.append)


def test_parameters_of_a_scenario_reach_its_stack_and_flags_override_them(plan: ScenarioPlan) -> None:
    """``set:`` is what the scenario is about; ``--set`` is what its user wants."""
    assert job_for(plan, RunOptions(seed=1)).spec.parameters["hibernation"] == "2"
    other = RunOptions(seed=1, parameters={"prosody.hibernation": "3"})
    assert job_for(plan, other).spec.parameters["hibernation"] == "3"


def test_on_a_stack_without_its_parameters_a_scenario_is_unsupported() -> None:
    """Not a wrong flag: it is about something that the stack does not have."""
    [plan] = load_scenarios([SCENARIO], stack=load_stack("reference"))
    told: list[StreamItem] = []
    assert not playable(job_for(plan, RunOptions(seed=1, stack="reference")), told.append)
    [skipped] = told
    assert isinstance(skipped, RunSkipped)
    assert skipped.reason.startswith("unsupported: stack reference: no parameter of the stack is called 'back'")
