"""What counts as proof that a check can fail."""

from __future__ import annotations

import pytest

from harness.core.verdicts import Verdict
from harness.engine.defects import plantable, titles
from harness.engine.matrix import Cell, never_caught
from harness.scenario.stackfile import load_stack
from harness.testing.results import judged


def test_the_healthy_backend_has_to_pass_every_time() -> None:
    """One doubtful repetition is enough to break the control."""
    passed, doubtful = judged(Verdict.PASS), judged(Verdict.INCONCLUSIVE)
    assert Cell("s", None, None, (passed, passed)).holds
    assert not Cell("s", None, None, (passed, doubtful)).holds


def test_a_mutant_has_to_be_caught_by_the_expected_check_every_time() -> None:
    """Caught by another check, or only sometimes, is not caught."""
    caught, elsewhere = judged(Verdict.FAIL, "order", "no_duplicates"), judged(Verdict.FAIL, "order")
    assert Cell("s", "m", "no_duplicates", (caught, caught)).holds
    assert not Cell("s", "m", "no_duplicates", (caught, elsewhere)).holds
    assert not Cell("s", "m", "no_duplicates", (caught, judged(Verdict.PASS))).holds


@pytest.mark.parametrize(("verdict", "holds"), [(Verdict.PASS, True), (Verdict.FAIL, True), (Verdict.ERROR, False)])
def test_a_mutant_of_which_nothing_is_expected_may_pass_or_fail(verdict: Verdict, *, holds: bool) -> None:
    """Only a broken environment spoils such a cell."""
    assert Cell("s", "m", None, (judged(verdict),)).holds is holds


def test_defects_of_the_service_are_planted_only_where_its_stack_takes_them() -> None:
    """Those of a client can be played against any server."""
    assert plantable("ack_before_store", load_stack("reference"))
    assert not plantable("ack_before_store", load_stack("prosody"))
    assert plantable("resends_with_new_id", load_stack("prosody"))


def test_a_mutant_without_a_scenario_that_catches_it_is_named() -> None:
    """Each seeded defect needs a proof."""
    name = next(iter(titles()))
    proof = Cell("s", name, "order", (judged(Verdict.FAIL, "order"),))
    assert name not in never_caught([proof])
    assert set(never_caught([])) == set(titles())
