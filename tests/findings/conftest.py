"""A listed finding, and runs that show it or do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.core.findings import Finding
from harness.core.results import CheckResult, Reason, RunResult, Witness
from harness.core.verdicts import Verdict
from harness.testing.results import judged

LEAK = "line 7 of logs/chat.log shows a push token."


def make_finding(**changes: object) -> Finding:
    """Says that this server's log shows push tokens in the scenario ``bad-day``."""
    facts: dict[str, object] = {
        "id": "keys-logged",
        "scenarios": ("bad-day",),
        "rate": "always",
        "text": "It writes push keys into its log.",
        "source": "docs/findings.md",
        "check": "no_leaks",
        "says": "a push token",
    }
    return Finding(**(facts | changes))  # type: ignore[arg-type]


def make_run(verdict: Verdict = Verdict.FAIL, *others: Reason, leaks: tuple[str, ...] = (LEAK,)) -> RunResult:
    """A run whose log leaked, unless it passed; ``others`` are what else kept it from passing."""
    if verdict is Verdict.PASS:
        return judged(verdict)
    leak = Reason(code="violated", check="no_leaks", text=leaks[0], verdict=Verdict.FAIL)
    check = CheckResult(
        id="no_leaks",
        verdict=Verdict.FAIL,
        required=False,
        exercised=90,
        violations=len(leaks),
        witnesses=tuple(Witness(text=text) for text in leaks),
    )
    return judged(verdict, reasons=(leak, *others), checks=(check,))


@pytest.fixture
def finding() -> Callable[..., Finding]:
    """Makes findings."""
    return make_finding


@pytest.fixture
def leaky() -> Callable[..., RunResult]:
    """Makes runs."""
    return make_run
