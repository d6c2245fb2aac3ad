"""From findings to one verdict: a pure function, so that every rule can be tested by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.core.results import CheckResult, FaultResult, Reason
from harness.core.verdicts import Verdict, worst

GAP_VERDICTS = {
    "not_commanded": Verdict.ERROR,
    "not_installed": Verdict.INCONCLUSIVE,
    "not_felt": Verdict.INCONCLUSIVE,
    "bypassed": Verdict.INCONCLUSIVE,
    "vacuous": Verdict.INCONCLUSIVE,
    "not_healed": Verdict.ERROR,
    "not_recovered": Verdict.FAIL,
}

GAP_TEXTS = {
    "not_commanded": "never started: its trigger did not come, or the command was not taken",
    "not_installed": "was commanded but could not be read back as in place",
    "not_felt": "was in place, but no scenario traffic on its target was affected",
    "bypassed": "was in place, but connections reached the service without passing the proxy",
    "vacuous": "was felt, but what it had to touch was not in flight or not seen",
    "not_healed": "could not be undone: what came after it proves nothing",
    "not_recovered": "was undone, but the service did not get back to work in time",
}

NEEDS_HEALING = frozenset({"recipient_online_delivered", "recipient_synced", "server_accepted"})
"""Steps whose absence proves nothing while a fault could not be undone."""


SPOILED_BY: Mapping[str, frozenset[str]] = {
    "environment": NEEDS_HEALING | {"push_sent"},
    "service_died": NEEDS_HEALING | {"push_sent"},
    "provider_died": frozenset({"push_sent"}),
}
"""By the code of what went wrong in the environment: steps whose absence then proves nothing."""


def void_spoiled(
    checks: Sequence[CheckResult], *, unhealed: bool, evidence_lost: bool, trouble: Iterable[str] = ()
) -> tuple[CheckResult, ...]:
    """Take back violations that rest on absence where the environment may have caused it.

    What was seen (a duplicate, a reordering) stands whatever broke; what was not seen counts only if it could have
    been seen. ``trouble`` are codes of what the engine knows to have gone wrong.
    """
    spoiled = NEEDS_HEALING if unhealed else frozenset[str]()
    for code in trouble:
        spoiled |= SPOILED_BY.get(code, frozenset())
    return tuple(_void(check, spoiled, evidence_lost) for check in checks)


def reasons_of(
    checks: Iterable[CheckResult],
    faults: Iterable[FaultResult],
    others: Iterable[Reason] = (),
    *,
    cut_short: bool = False,
) -> tuple[Reason, ...]:
    """Return everything that keeps a run from passing, worst first.

    In a run that was ``cut_short`` (the harness itself was killed) an unfinished fault is no error of the environment.
    """
    found = [*_violations(checks), *_gaps(faults, cut_short=cut_short), *others]
    rank = list(Verdict)
    return tuple(sorted(found, key=lambda reason: rank.index(reason.verdict or Verdict.ERROR)))


def verdict_of(reasons: Sequence[Reason], checks: Sequence[CheckResult]) -> Verdict:
    """Return the verdict: the worst reason; without any, a pass if at least one check judged something."""
    if not reasons:
        return worst((check.verdict for check in checks if check.verdict is not None), empty=Verdict.INCONCLUSIVE)
    return worst(reason.verdict or Verdict.ERROR for reason in reasons)


def _void(check: CheckResult, spoiled: frozenset[str], evidence_lost: bool) -> CheckResult:
    if check.verdict is not Verdict.FAIL or not (spoiled or evidence_lost):
        return check
    kept = tuple(
        witness
        for witness in check.witnesses
        if witness.missing_step is None or not (evidence_lost or witness.missing_step in spoiled)
    )
    if kept:
        return check
    return CheckResult(
        id=check.id,
        verdict=Verdict.INCONCLUSIVE,
        required=check.required,
        exercised=0,
        violations=0,
        note="what it missed may be missing because of the environment, not the service",
    )


def _violations(checks: Iterable[CheckResult]) -> Iterator[Reason]:
    for check in checks:
        if check.verdict is Verdict.FAIL:
            text = check.witnesses[0].text if check.witnesses else f"{check.violations} violations"
            yield Reason(code="violated", check=check.id, text=text, verdict=Verdict.FAIL)
        elif check.verdict is Verdict.ERROR:
            yield Reason(
                code="check_failed", check=check.id, text=f"{check.id} could not be run", verdict=check.verdict
            )
        elif check.verdict is Verdict.INCONCLUSIVE and check.required:
            text = f"{check.id} is required, but {check.note}"
            yield Reason(code="not_exercised", check=check.id, text=text, verdict=check.verdict)
        elif check.required and check.not_judged:
            text = f"{check.id} is required, but {check.note}"
            yield Reason(code="not_judged", check=check.id, text=text, verdict=Verdict.INCONCLUSIVE)


def _gaps(faults: Iterable[FaultResult], *, cut_short: bool) -> Iterator[Reason]:
    for fault in faults:
        if fault.gap is not None:
            verdict = GAP_VERDICTS[fault.gap]
            if cut_short and verdict is Verdict.ERROR:
                verdict = Verdict.INCONCLUSIVE
            text = f"fault {fault.id} ({fault.kind} on {fault.target}) {GAP_TEXTS[fault.gap]}"
            yield Reason(code=fault.gap, fault=fault.id, text=text, verdict=verdict)
