"""Verdicts, their order and their exit codes."""

from __future__ import annotations

import itertools

import pytest

from harness.core.verdicts import Verdict, worst


def test_a_violation_outranks_every_doubt() -> None:
    """Fail beats error beats inconclusive beats pass, in any order of arrival."""
    ranked = [Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS]
    for first, second in itertools.combinations(ranked, 2):
        assert worst([first, second]) is first
        assert worst([second, first]) is first


def test_judging_nothing_is_no_pass() -> None:
    """No verdicts at all come to inconclusive."""
    assert worst([]) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("verdict", "code"), [("pass", 0), ("fail", 1), ("error", 3), ("inconclusive", 4)])
def test_exit_codes_are_the_documented_ones(verdict: str, code: int) -> None:
    """Scripts rely on these numbers."""
    assert Verdict(verdict).exit_code == code
