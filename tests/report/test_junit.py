"""JUnit XML as a CI system reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.core.errors import UsageError
from harness.core.plan import ScenarioPlan
from harness.core.results import Reason
from harness.core.verdicts import Verdict
from harness.engine.stream import RunFinished, RunSkipped, RunStarted
from harness.report.junit import JUnitReport

Finished = Callable[..., RunFinished]
Planned = Callable[..., ScenarioPlan]


def _written(path: Path, report: JUnitReport) -> ET.Element:
    report.write()
    suite = ET.parse(path).getroot().find("testsuite")  # noqa: S314 - our own file
    assert suite is not None
    return suite


def test_every_planned_scenario_has_a_case(tmp_path: Path, plan: Planned, finished: Finished) -> None:
    """Cases count what was planned: passed, failed, broken, cut off in the middle and never begun."""
    plans = [plan(name) for name in ("ok", "lost", "odd", "shaky", "cut", "never")]
    path = tmp_path / "deep" / "junit.xml"
    report = JUnitReport(path, plans)
    for one, verdict in zip(plans, (Verdict.PASS, Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE), strict=False):
        report(finished(verdict, one))
    report(RunStarted("r", plans[4], 7, tmp_path, 1, None))
    suite = _written(path, report)
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "6", "failures": "1", "errors": "3", "skipped": "1"}
    kinds = {
        case.get("name"): case.find("error").get("type")
        for case in suite.iter("testcase")
        if case.find("error") is not None
    }
    assert kinds == {"odd": "error", "shaky": "inconclusive", "cut": "interrupted"}


def test_a_failure_carries_check_sentence_and_properties(tmp_path: Path, plan: Planned, finished: Finished) -> None:
    """A failure is typed by the broken check; seed, stack and mutant stand as properties."""
    path = tmp_path / "junit.xml"
    report = JUnitReport(path, [plan()])
    report(finished(Verdict.FAIL, plan(), mutant="ack_before_store"))
    suite = _written(path, report)
    failure = suite.find("testcase/failure")
    assert failure.get("type") == "acked_never_lost"
    assert "alice's message c-1 was acknowledged" in failure.text
    assert "replay: chat-chaos run" in failure.text
    properties = {item.get("name"): item.get("value") for item in suite.iter("property")}
    assert properties.items() >= {"seed": "7", "stack": "reference", "mutant": "ack_before_store"}.items()


def test_what_cannot_be_played_is_skipped_with_its_reason(tmp_path: Path, plan: Planned) -> None:
    """A scenario that the stack cannot play is no verdict; the report says why."""
    path = tmp_path / "junit.xml"
    report = JUnitReport(path, [plan()])
    report(RunSkipped(plan(), "needs push"))
    suite = _written(path, report)
    assert suite.get("skipped") == "1"
    assert suite.find("testcase/skipped").get("message") == "needs push"


def test_a_rerun_counts_once(tmp_path: Path, plan: Planned, finished: Finished) -> None:
    """An inconclusive run that was repeated is judged by its last word only."""
    path = tmp_path / "junit.xml"
    report = JUnitReport(path, [plan()])
    report(replace(finished(Verdict.INCONCLUSIVE, plan()), rerun=True))
    report(finished(Verdict.PASS, plan()))
    suite = _written(path, report)
    assert (suite.get("tests"), suite.get("errors")) == ("1", "0")


def test_matrix_entries_are_cases_of_their_own(tmp_path: Path, plan: Planned, finished: Finished) -> None:
    """Entries of a matrix share a class and differ in name."""
    plans = [plan(cut="1s"), plan(cut="5s")]
    path = tmp_path / "junit.xml"
    report = JUnitReport(path, plans)
    for one in plans:
        report(finished(Verdict.PASS, one))
    names = [(case.get("classname"), case.get("name")) for case in _written(path, report).iter("testcase")]
    assert names == [("chat-chaos.bad-day", "bad-day[cut=1s]"), ("chat-chaos.bad-day", "bad-day[cut=5s]")]


def test_characters_that_xml_cannot_carry_are_left_out(tmp_path: Path, plan: Planned, finished: Finished) -> None:
    """Control characters and lone surrogates vanish; markup is escaped; the file stays well-formed."""
    path = tmp_path / "junit.xml"
    report = JUnitReport(path, [plan()])
    reason = Reason(code="violated", text="\x00\x1b[31mred\ud800 <&> \U0001f600", check="order")
    report(finished(Verdict.FAIL, plan(), reasons=(reason,)))
    assert _written(path, report).find("testcase/failure").get("message") == "[31mred <&> \U0001f600"


def test_an_unwritable_report_is_told_before_anything_runs(tmp_path: Path, plan: Planned) -> None:
    """A report that cannot be written is the user's to correct, before minutes are spent."""
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(UsageError, match="cannot write the JUnit report"):
        JUnitReport(blocked / "junit.xml", [plan()])
