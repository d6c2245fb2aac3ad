"""What a listed finding changes about a run, and what it never changes."""

from __future__ import annotations

from collections.abc import Callable

from harness.core.findings import Finding
from harness.core.results import Reason, RunResult
from harness.core.verdicts import Verdict
from harness.engine.findings import settled
from harness.engine.matrix import Cell

Listed = Callable[..., Finding]
Leaky = Callable[..., RunResult]

LOST = Reason(code="violated", check="acked_never_lost", text="m-1 is gone", verdict=Verdict.FAIL)
VACUOUS = Reason(code="vacuous", fault="cut", text="nothing was in flight", verdict=Verdict.INCONCLUSIVE)


def test_what_was_listed_counts_as_met_and_stays_a_failure(finding: Listed, leaky: Leaky) -> None:
    """The verdict is still fail, the reason names the finding, and the exit code is that of a pass."""
    run = settled(leaky(), [finding()])
    assert (run.verdict, run.counts_as, run.exit_code) == (Verdict.FAIL, Verdict.PASS, 0)
    assert (run.expected, run.missed) == (("keys-logged",), ())
    assert [reason.expected for reason in run.reasons] == ["keys-logged"]
    assert run.checks == leaky().checks
    assert Cell("bad-day", None, None, (run,)).holds


def test_whatever_else_broke_counts_in_full(finding: Listed, leaky: Leaky) -> None:
    """A loss beside the leak fails the run; a doubt beside it leaves the run inconclusive."""
    lost = settled(leaky(Verdict.FAIL, LOST), [finding()])
    assert (lost.counts_as, lost.exit_code) == (Verdict.FAIL, 1)
    assert lost.unlisted == (LOST,)
    doubtful = settled(leaky(Verdict.FAIL, VACUOUS), [finding()])
    assert (doubtful.counts_as, doubtful.exit_code) == (Verdict.INCONCLUSIVE, 4)


def test_another_leak_of_the_same_check_is_not_covered(finding: Listed, leaky: Leaky) -> None:
    """Every witness has to say what the finding says."""
    both = leaky(leaks=("line 1 of logs/chat.log shows a push token.", "line 2 shows the text of a message."))
    run = settled(both, [finding()])
    assert (run.counts_as, run.expected) == (Verdict.FAIL, ())
    assert settled(both, [finding(says=None)]).counts_as is Verdict.PASS


def test_one_that_always_shows_and_stayed_away_fails(finding: Listed, leaky: Leaky) -> None:
    """As a strict xfail does; the run itself still passed."""
    run = settled(leaky(Verdict.PASS), [finding()])
    assert (run.verdict, run.counts_as, run.exit_code) == (Verdict.PASS, Verdict.FAIL, 1)
    assert run.missed == ("keys-logged",)


def test_one_that_shows_sometimes_may_stay_away(finding: Listed, leaky: Leaky) -> None:
    """That it did is counted."""
    run = settled(leaky(Verdict.PASS), [finding(rate="7/10")])
    assert (run.counts_as, run.exit_code, run.missed) == (Verdict.PASS, 0, ())
    assert [(one.id, one.seen) for one in run.findings] == [("keys-logged", False)]


def test_a_run_that_proves_nothing_misses_nothing(finding: Listed, leaky: Leaky) -> None:
    """An inconclusive run is inconclusive, whatever is listed."""
    run = leaky(Verdict.FAIL, VACUOUS)
    doubt = settled(run, [finding(check="order", says=None), finding(id="other", check="no_leaks")])
    assert (doubt.counts_as, doubt.missed) == (Verdict.INCONCLUSIVE, ())


def test_a_finding_is_of_one_verdict_and_may_be_the_gap_of_a_fault(finding: Listed, leaky: Leaky) -> None:
    """What is listed as a doubt does not excuse a failure, nor the other way round."""
    assert settled(leaky(), [finding(verdict=Verdict.INCONCLUSIVE)]).counts_as is Verdict.FAIL
    gap = finding(id="gap", check=None, says=None, gap="vacuous", verdict=Verdict.INCONCLUSIVE)
    run = settled(leaky(Verdict.FAIL, VACUOUS), [finding(), gap])
    assert (run.counts_as, run.expected) == (Verdict.PASS, ("keys-logged", "gap"))


def test_it_concerns_its_scenarios_releases_and_parameters(finding: Listed) -> None:
    """By the scenario's name or one entry of its matrix, and by what the stack was set to."""
    one = finding(versions=">=1.80, <1.164", given={"push_log": ("INFO",)})
    at = {"version": "1.163.2", "push_log": "INFO"}
    assert one.concerns("bad-day", "bad-day[cut=1s]", [], at)
    assert finding(scenarios=("bad-day[cut=1s]",)).concerns("bad-day", "bad-day[cut=1s]", [], at)
    assert not one.concerns("good-day", "good-day", [], at)
    assert not one.concerns("bad-day", "bad-day", [], at | {"version": "1.55.2"})
    assert not one.concerns("bad-day", "bad-day", [], at | {"push_log": "ERROR"})
