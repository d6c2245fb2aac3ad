"""When the demo is content."""

from __future__ import annotations

import pytest

from harness.cli.demo import exit_code
from harness.core.verdicts import Verdict
from harness.testing.results import judged


@pytest.mark.parametrize(
    ("healthy", "broken", "failing", "code"),
    [
        (Verdict.PASS, Verdict.FAIL, ["acked_never_lost"], 0),
        (Verdict.PASS, Verdict.FAIL, ["order"], 1),
        (Verdict.PASS, Verdict.PASS, [], 1),
        (Verdict.PASS, Verdict.ERROR, [], 3),
        (Verdict.PASS, Verdict.INCONCLUSIVE, [], 4),
        (Verdict.FAIL, Verdict.FAIL, ["acked_never_lost"], 1),
        (Verdict.ERROR, Verdict.FAIL, ["acked_never_lost"], 3),
        (Verdict.INCONCLUSIVE, Verdict.ERROR, [], 3),
    ],
)
def test_the_exit_code_is_the_worst_of_what_was_not_expected(
    healthy: Verdict, broken: Verdict, failing: list[str], code: int
) -> None:
    """Zero only when the healthy backend passed and the named check caught the defect."""
    assert exit_code(judged(healthy), judged(broken, *failing), "acked_never_lost") == code
