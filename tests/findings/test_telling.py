"""How a listed finding is told: on the console, to machines, to continuous integration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.core.findings import Finding
from harness.core.results import RunResult
from harness.core.verdicts import Verdict
from harness.engine.findings import settled
from harness.engine.stream import RunFinished
from harness.report.json_report import document
from harness.report.junit import JUnitReport
from harness.report.style import Style
from harness.report.text import Detail, Judged, describe_run, describe_session
from harness.scenario.loader import load_scenarios

PLAIN = Style(enabled=False)
Listed = Callable[..., Finding]
Leaky = Callable[..., RunResult]
SCENARIO = Path(__file__).resolve().parents[2] / "scenarios" / "lost-answer.chaos.yaml"


def test_the_console_says_fail_and_expected(finding: Listed, leaky: Leaky) -> None:
    """The verdict, the finding and its source; quietly, the verdict alone."""
    run = Judged(settled(leaky(), [finding()]))
    head, known = describe_run(run, PLAIN, Detail())
    assert head == "FAIL          bad-day  (expected: keys-logged)  seed 7"
    assert known == "  known     keys-logged: It writes push keys into its log. (docs/findings.md)"
    assert describe_run(run, PLAIN, Detail(quiet=True)) == [head]
    assert any("no_leaks" in line for line in describe_run(run, PLAIN, Detail(verbose=True)))


def test_the_console_says_which_finding_is_to_be_struck(finding: Listed, leaky: Leaky) -> None:
    """An unexpected pass names it."""
    head, known, *_ = describe_run(Judged(settled(leaky(Verdict.PASS), [finding()])), PLAIN, Detail())
    assert head.startswith("PASS          bad-day  (unexpected: no keys-logged)  seed 7")
    assert known == "  known     keys-logged did not show, although it is listed as always: strike it from the list"


def test_a_session_counts_how_often_each_showed(finding: Listed, leaky: Leaky) -> None:
    """Of the runs that it is listed for; in JSON too, where the verdict over all is that of what was not listed."""
    runs = [settled(leaky(verdict), [finding(rate="7/10")]) for verdict in (Verdict.FAIL, Verdict.PASS)]
    lines = describe_session(runs, 0, 0, PLAIN)
    assert lines[:2] == [
        "2 runs: 1 fail, 1 pass, 1 of them expected  (exit 0)",
        "finding keys-logged: showed in 1 of 2 runs (listed: 7/10)",
    ]
    told = json.loads(document(runs, [], 0))
    assert (told["verdict"], [run["verdict"] for run in told["runs"]]) == ("pass", ["fail", "pass"])
    assert told["findings"] == [{"id": "keys-logged", "rate": "7/10", "runs": 2, "seen": 1}]
    assert told["runs"][0]["expected"] == ["keys-logged"]


@pytest.mark.parametrize(
    ("verdict", "tag", "kind"), [("fail", "skipped", "expected"), ("pass", "failure", "unexpected_pass")]
)
def test_junit_tells_them_apart(
    tmp_path: Path, finding: Listed, leaky: Leaky, verdict: str, tag: str, kind: str
) -> None:
    """What was listed is no failure, and its staying away is one."""
    [plan] = load_scenarios([SCENARIO])
    report = JUnitReport(tmp_path / "junit.xml", [plan])
    run = settled(leaky(Verdict(verdict)), [finding()])
    report(RunFinished(run.run, plan, run, tmp_path, 1.0, rerun=False))
    report.write()
    told = ET.parse(tmp_path / "junit.xml").getroot().find(f".//testcase/{tag}")  # noqa: S314 - our own file
    assert told is not None
    assert told.get("type") == kind
    assert "keys-logged" in str(told.get("message"))
