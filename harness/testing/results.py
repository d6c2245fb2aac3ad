"""Results of imaginary runs, for tests of what is told about them."""

from __future__ import annotations

import msgspec

from harness.core.results import RESULTS_VERSION, CheckResult, Counts, RunResult
from harness.core.verdicts import Verdict


def judged(verdict: Verdict = Verdict.PASS, *failed: str, **changes: object) -> RunResult:
    """Return a run of that verdict in which each of these checks found a violation; ``changes`` replace its facts."""
    result = RunResult(
        v=RESULTS_VERSION,
        run="run-1",
        scenario="bad-day",
        params={},
        seed=7,
        stack="reference",
        launcher="embedded",
        proxy="embedded",
        verdict=verdict,
        exit_code=verdict.exit_code,
        attempts=1,
        reasons=(),
        counts=Counts(),
        checks=tuple(_violated(name) for name in failed),
        faults=(),
        slos=(),
        promises={},
        not_judged=(),
        replay="chat-chaos run it",
    )
    return msgspec.structs.replace(result, **changes)


def _violated(name: str) -> CheckResult:
    return CheckResult(id=name, verdict=Verdict.FAIL, required=True, exercised=9, violations=1)
