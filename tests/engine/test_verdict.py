"""From findings to one verdict."""

from __future__ import annotations

import pytest

from harness.core.results import CheckResult, FaultResult, Reason, Witness
from harness.core.verdicts import Verdict
from harness.engine.verdict import GAP_TEXTS, GAP_VERDICTS, reasons_of, verdict_of, void_spoiled


def check(verdict: Verdict | None, *, required: bool = True, missing: str | None = None) -> CheckResult:
    """A check result with one witness if it failed."""
    failed = verdict is Verdict.FAIL
    witnesses = (Witness(text="m-1 is gone", missing_step=missing),) if failed else ()
    return CheckResult(
        id="acked_never_lost",
        verdict=verdict,
        required=required,
        exercised=3,
        violations=int(failed),
        witnesses=witnesses,
    )


def fault(gap: str | None) -> FaultResult:
    """A fault that met a gap, or none."""
    return FaultResult(id="cut", kind="network.down", target="client->chat", rung="installed", gap=gap, exposed=0)


def judged(checks: list[CheckResult], faults: list[FaultResult], *others: Reason) -> Verdict:
    """The verdict of these findings."""
    return verdict_of(reasons_of(checks, faults, others), checks)


def test_all_held_is_a_pass() -> None:
    """A check that passed and a fault without a gap make a pass."""
    assert judged([check(Verdict.PASS)], [fault(None)]) is Verdict.PASS


def test_a_run_in_which_no_check_judged_anything_is_no_pass() -> None:
    """Only n/a checks and no fault: inconclusive."""
    assert judged([check(None, required=False)], []) is Verdict.INCONCLUSIVE


def test_an_optional_check_that_examined_nothing_does_not_spoil_a_pass() -> None:
    """n/a is no verdict."""
    assert judged([check(Verdict.PASS), check(None, required=False)], []) is Verdict.PASS


@pytest.mark.parametrize(("gap", "verdict"), sorted(GAP_VERDICTS.items()))
def test_every_gap_has_its_verdict_and_its_sentence(gap: str, verdict: Verdict) -> None:
    """No gap is ever green, and each says what it means."""
    reasons = reasons_of([check(Verdict.PASS)], [fault(gap)])
    assert verdict_of(reasons, [check(Verdict.PASS)]) is verdict
    assert verdict is not Verdict.PASS
    assert GAP_TEXTS[gap] in reasons[0].text


def test_a_violation_is_told_first() -> None:
    """With a bitless fault beside it, the violation leads and decides."""
    reasons = reasons_of([check(Verdict.FAIL)], [fault("not_felt")])
    assert [reason.code for reason in reasons] == ["violated", "not_felt"]
    assert verdict_of(reasons, [check(Verdict.FAIL)]) is Verdict.FAIL


def test_a_required_check_without_material_is_inconclusive() -> None:
    """A required check that had too little to look at keeps the run from passing."""
    assert judged([check(Verdict.INCONCLUSIVE)], []) is Verdict.INCONCLUSIVE


def test_trouble_of_the_environment_is_an_error() -> None:
    """What the engine knows to have gone wrong counts."""
    trouble = Reason(code="environment", text="the proxy died", verdict=Verdict.ERROR)
    assert judged([check(Verdict.PASS)], [], trouble) is Verdict.ERROR


def test_lost_evidence_voids_what_was_not_seen() -> None:
    """A message that is missing from a record with holes is no finding."""
    (voided,) = void_spoiled([check(Verdict.FAIL, missing="stored")], unhealed=False, evidence_lost=True)
    assert voided.verdict is Verdict.INCONCLUSIVE
    assert voided.violations == 0


def test_lost_evidence_leaves_what_was_seen() -> None:
    """A duplicate on record stays a duplicate, whatever else is missing."""
    (kept,) = void_spoiled([check(Verdict.FAIL)], unhealed=True, evidence_lost=True)
    assert kept.verdict is Verdict.FAIL


def test_a_fault_that_could_not_be_undone_voids_late_but_not_lost() -> None:
    """With a link still cut nothing arrives, but what the archive lacks is lost all the same."""
    late, lost = check(Verdict.FAIL, missing="recipient_online_delivered"), check(Verdict.FAIL, missing="stored")
    verdicts = [one.verdict for one in void_spoiled([late, lost], unhealed=True, evidence_lost=False)]
    assert verdicts == [Verdict.INCONCLUSIVE, Verdict.FAIL]


@pytest.mark.parametrize(
    ("missing", "voided_by"),
    [
        ("push_sent", {"provider_died", "service_died", "environment"}),
        ("recipient_synced", {"service_died", "environment"}),
        ("stored", set()),
        (None, set()),
    ],
)
def test_what_died_voids_what_it_would_have_done(missing: str | None, voided_by: set[str]) -> None:
    """A push that a dead provider did not take is no finding; what is gone from the archive still is."""
    failed = check(Verdict.FAIL, missing=missing)
    codes = ("provider_died", "service_died", "environment", "aborted")
    judged = {
        code: void_spoiled([failed], unhealed=False, evidence_lost=False, trouble=[code])[0].verdict for code in codes
    }
    assert {code for code, verdict in judged.items() if verdict is not Verdict.FAIL} == voided_by


def test_a_fault_of_a_run_that_was_cut_short_is_no_error() -> None:
    """A killed harness leaves faults unstarted and unhealed: that proves nothing, against nobody."""
    faults = [fault("not_commanded"), fault("not_healed")]
    reasons = reasons_of([check(Verdict.PASS)], faults, cut_short=True)
    assert {reason.verdict for reason in reasons} == {Verdict.INCONCLUSIVE}
