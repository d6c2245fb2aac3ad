"""The scenarios that come along."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from harness.core.places import scenarios_folder
from harness.core.plan import ScenarioPlan
from harness.engine.session import unsupported
from harness.scenario.loader import load_scenarios
from harness.scenario.stackfile import load_stack
from harness.scenario.vocabulary import installed
from harness.stacks import faketime


@pytest.fixture(scope="module")
def catalogue() -> list[ScenarioPlan]:
    """Every scenario, one plan for each matrix entry."""
    return load_scenarios([scenarios_folder()])


def test_each_is_short_titled_and_catches_a_defect(catalogue: list[ScenarioPlan]) -> None:
    """A scenario says what happened, proves that it can fail and lasts twelve seconds at most, with a crowd forty."""
    assert len({plan.name for plan in catalogue}) >= 18
    lacking = [
        plan.id
        for plan in catalogue
        if plan.title == plan.name or not plan.catches or plan.phases.total_s > (40 if plan.load else 12)
    ]
    assert lacking == []


def test_each_has_tags_and_required_checks(catalogue: list[ScenarioPlan]) -> None:
    """A scenario can be selected by what it is about, and is inconclusive when it had nothing to look at."""
    assert [plan.id for plan in catalogue if not plan.tags or not plan.required_checks] == []


def test_every_kind_of_fault_is_in_it(catalogue: list[ScenarioPlan]) -> None:
    """No family of faults is without a scenario that shows how it is used."""
    used = {fault.kind for plan in catalogue for fault in plan.faults}
    assert set(installed().kinds) - used == set()


def test_every_defect_is_caught_by_it(catalogue: list[ScenarioPlan]) -> None:
    """Each seeded defect of the service or of a client has a scenario that must catch it."""
    words = installed()
    caught = {mutant for plan in catalogue for mutant in plan.catches}
    assert {*words.mutants, *words.defects} - caught == set()


def test_each_can_be_played_by_the_stack_that_it_names(catalogue: list[ScenarioPlan]) -> None:
    """Capabilities, promises and means are there, whatever this machine has installed."""
    for plan in catalogue:
        launcher = "docker" if "docker" in plan.tags else "embedded"
        spec = load_stack(plan.stack, parameters=plan.parameters)
        assert set(unsupported(plan, spec, launcher=launcher)) <= {faketime.reason(os.environ)}, plan.id


def test_real_servers_have_scenarios_of_their_own(catalogue: list[ScenarioPlan]) -> None:
    """At least eight each for Matrix and for XMPP, which are about what only these protocols have."""
    made_for = Counter(stack for _, stack in {(plan.name, plan.stack) for plan in catalogue})
    assert made_for["prosody"] >= 8
    assert made_for["synapse"] >= 8
