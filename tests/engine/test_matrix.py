"""What counts as proof that a check can fail."""

from __future__ import annotations

import pytest

from harness.core.results import CheckResult, Counts, RunResult
from harness.core.verdicts import Verdict
from harness.engine.defects import titles
from harness.engine.matrix import Cell, never_caught


def result(verdict: Verdict, *failed: str) -> RunResult:
    """A judged run in which these checks found violations."""
    checks = tuple(
        CheckResult(id=name, verdict=Verdict.FAIL, required=True, exercised=1, violations=1) for name in failed
    )
    return RunResult(
        v=1,
        run="r",
        scenario="s",
        params={},
        seed=1,
        stack="reference",
        launcher="embedded",
        proxy="embedded",
        verdict=verdict,
        exit_code=verdict.exit_code,
        attempts=1,
        reasons=(),
        counts=Counts(),
        checks=checks,
        faults=(),
        slos=(),
        promises={},
        not_judged=(),
        replay="",
    )


def test_the_healthy_backend_has_to_pass_every_time() -> None:
    """One doubtful repetition is enough to break the control."""
    passed, doubtful = result(Verdict.PASS), result(Verdict.INCONCLUSIVE)
    assert Cell("s", None, None, (passed, passed)).holds
    assert not Cell("s", None, None, (passed, doubtful)).holds


def test_a_mutant_has_to_be_caught_by_the_expected_check_every_time() -> None:
    """Caught by another check, or only sometimes, is not caught."""
    caught, elsewhere = result(Verdict.FAIL, "order", "no_duplicates"), result(Verdict.FAIL, "order")
    assert Cell("s", "m", "no_duplicates", (caught, caught)).holds
    assert not Cell("s", "m", "no_duplicates", (caught, elsewhere)).holds
    assert not Cell("s", "m", "no_duplicates", (caught, result(Verdict.PASS))).holds


@pytest.mark.parametrize(("verdict", "holds"), [(Verdict.PASS, True), (Verdict.FAIL, True), (Verdict.ERROR, False)])
def test_a_mutant_of_which_nothing_is_expected_may_pass_or_fail(verdict: Verdict, *, holds: bool) -> None:
    """Only a broken environment spoils such a cell."""
    assert Cell("s", "m", None, (result(verdict),)).holds is holds


def test_a_mutant_without_a_scenario_that_catches_it_is_named() -> None:
    """Each seeded defect needs a proof."""
    name = next(iter(titles()))
    proof = Cell("s", name, "order", (result(Verdict.FAIL, "order"),))
    assert name not in never_caught([proof])
    assert set(never_caught([])) == set(titles())
