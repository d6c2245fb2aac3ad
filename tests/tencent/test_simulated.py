"""A verdict on a stack that only stands in for a service says so wherever it is told."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.core.verdicts import Verdict
from harness.engine.stream import RunFinished
from harness.report.json_report import document
from harness.report.junit import JUnitReport
from harness.report.style import Style
from harness.report.text import Detail, Judged, describe_run, describe_session
from harness.scenario.loader import load_scenarios
from harness.scenario.stackfile import load_stack
from harness.testing.results import judged

PLAIN = Style(enabled=False)
SCENARIO = Path(__file__).resolve().parents[2] / "scenarios" / "lost-answer.chaos.yaml"


@pytest.mark.parametrize(("name", "simulated"), [("tencent", True), ("reference", False), ("synapse", False)])
def test_the_stack_file_says_it(name: str, simulated: bool) -> None:
    """Of the stacks that come along only Tencent's is no server that anybody runs."""
    assert load_stack(name).simulated is simulated


def test_the_console_says_it_in_every_verdict_and_at_the_end() -> None:
    """Also when it is quiet, and never of a stack that is the real thing."""
    runs = [judged(verdict, stack="tencent", simulated=True) for verdict in (Verdict.PASS, Verdict.FAIL)]
    for run in runs:
        assert describe_run(Judged(run), PLAIN, Detail(quiet=True)) == [
            f"{run.verdict.upper():12}  bad-day  seed 7, stack tencent (simulated)"
        ]
    text = "simulated: nothing was seen of the service itself, only of a simulator of it: tencent"
    assert text in describe_session(runs, 0, 1, PLAIN)
    assert "simulated" not in "\n".join(
        [*describe_run(Judged(judged()), PLAIN, Detail()), *describe_session([], 0, 0, PLAIN)]
    )


def test_machines_are_told(tmp_path: Path) -> None:
    """In results.json and JUnit."""
    run = judged(stack="tencent", simulated=True)
    assert json.loads(document([run], [], 0))["runs"][0]["simulated"] is True
    [plan] = load_scenarios([SCENARIO])
    report = JUnitReport(tmp_path / "junit.xml", [plan])
    report(RunFinished(run.run, plan, run, tmp_path, 1.0, rerun=False))
    report.write()
    told = ET.parse(tmp_path / "junit.xml").getroot().find(".//property[@name='simulated']")  # noqa: S314 - our own file
    assert told is not None
    assert told.get("value") == "true"
