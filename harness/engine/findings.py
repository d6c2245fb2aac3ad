"""Whether what a run came to was known beforehand. It changes no verdict: it says which reasons were listed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness.core.findings import Finding
from harness.core.plan import ScenarioPlan
from harness.core.results import FindingResult, Reason, RunResult
from harness.core.stack import StackSpec
from harness.core.verdicts import Verdict


def listed(plan: ScenarioPlan, spec: StackSpec) -> tuple[Finding, ...]:
    """Return the findings that are listed for a scenario on this stack, at its version and with its parameters."""
    kinds = {fault.kind for fault in plan.faults}
    return tuple(one for one in spec.findings if one.concerns(plan.name, plan.id, kinds, spec.parameters))


def settled(result: RunResult, findings: Sequence[Finding]) -> RunResult:
    """Mark the reasons that are listed, and say of each finding whether it showed.

    One that always shows and did not is missed, unless the run proves nothing either way.
    """
    checks = {check.id: check for check in result.checks}
    explained = [
        (reason, next((one for one in findings if one.explains(reason, checks)), None)) for reason in result.reasons
    ]
    shown = {finding.id for _, finding in explained if finding}
    told = tuple(
        FindingResult(id=one.id, rate=one.rate, text=one.text, source=one.source, seen=one.id in shown)
        for one in findings
    )
    marked = msgspec.structs.replace(
        result,
        reasons=tuple(_marked(reason, finding) for reason, finding in explained),
        findings=told,
        expected=tuple(one.id for one in told if one.seen),
    )
    decided = marked.counts_as in {Verdict.PASS, Verdict.FAIL}
    missed = tuple(one.id for one in findings if one.must_show and one.id not in shown and decided)
    final = msgspec.structs.replace(marked, missed=missed)
    return msgspec.structs.replace(final, exit_code=final.counts_as.exit_code)


def _marked(reason: Reason, finding: Finding | None) -> Reason:
    return reason if finding is None else msgspec.structs.replace(reason, expected=finding.id)
