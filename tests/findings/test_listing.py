"""The section ``findings`` of a stack file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.places import scenarios_folder
from harness.engine.findings import listed
from harness.scenario.diagnostics import BadFile
from harness.scenario.loader import load_scenarios
from harness.scenario.stackfile import known_stacks, load_stack

STACK = """\
version: 1
name: mine
driver: {kind: reference}
parameters: {version: {default: "2.1"}, mode: {default: fast}}
services: {chat: {embedded: {run: [./chat]}}}
links: {"client->chat": {}}
findings:
  slow-start:
    scenarios: [lost-answer]
    check: recovered
    versions: ">=2, <3"
    given: {mode: [fast]}
    rate: 3/20
    text: It takes long to get up.
    source: https://chat.example/issues/7
"""


def _load(folder: Path, text: str, **parameters: str) -> list[str]:
    (folder / "mine.yaml").write_text(text)
    spec = load_stack(str(folder / "mine.yaml"), parameters=parameters)
    [plan] = load_scenarios([scenarios_folder() / "lost-answer.chaos.yaml"], stack=spec)
    return [one.id for one in listed(plan, spec)]


def test_a_stack_of_ones_own_may_list_findings(tmp_path: Path) -> None:
    """They hold for the release and the parameters that are chosen."""
    assert _load(tmp_path, STACK) == ["slow-start"]
    assert _load(tmp_path, STACK, version="3.0") == []
    assert _load(tmp_path, STACK, mode="safe") == []


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("faults: [network.downstream_blackhole]", ["slow-start"]),
        ("faults: [process.kill]", []),
        ("says: ms after that had opened", ["slow-start"]),
    ],
)
def test_a_finding_may_hold_for_every_scenario_with_such_a_fault(tmp_path: Path, where: str, shown: list[str]) -> None:
    """What a server loses when it is killed it loses in any scenario that kills it; words alone hold everywhere."""
    assert _load(tmp_path, STACK.replace("scenarios: [lost-answer]", where)) == shown


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("check: recovered", "check: recoverd", "no check is called 'recoverd'"),
        ('">=2, <3"', "2.x", "'2.x' is no range of versions"),
        ("rate: 3/20", "rate: 21/20", "'21/20' is no rate of reproduction"),
        ("rate: 3/20", "rate: often", "'often' is no rate of reproduction"),
        ("{mode: [fast]}", "{mood: [fast]}", "no parameter is called 'mood'"),
        ("    check: recovered\n", "", "give the 'check' that finds it"),
        ('version: {default: "2.1"}, ', "", "the stack has no parameter 'version'"),
        ("    scenarios: [lost-answer]\n", "", "give the 'scenarios' or the 'faults' that show it"),
        ("scenarios: [lost-answer]", "faults: [process.kil]", "no fault kind is called 'process.kil'"),
    ],
)
def test_a_wrong_entry_is_told_with_its_place(tmp_path: Path, old: str, new: str, text: str) -> None:
    """As every mistake of a file is."""
    assert old in STACK
    with pytest.raises(BadFile) as refused:
        _load(tmp_path, STACK.replace(old, new))
    assert any(text in item.text for item in refused.value.diagnostics)


@pytest.mark.parametrize("stack", known_stacks())
def test_findings_of_our_own_stacks_name_scenarios_that_there_are(stack: str) -> None:
    """A misspelt name would list nothing; a page of ours that a finding refers to exists and has that heading."""
    spec = load_stack(stack)
    plans = load_scenarios([scenarios_folder()], stack=replace(spec, findings=()))
    known = {name for plan in plans for name in (plan.name, plan.id)}
    page = (Path(__file__).resolve().parents[2] / "docs" / "findings.md").read_text()
    headings = {line.removeprefix("## ").lower() for line in page.splitlines() if line.startswith("## ")}
    anchors = {
        "".join(letter for letter in one if letter.isalnum() or letter in " -").replace(" ", "-") for one in headings
    }
    for finding in spec.findings:
        assert set(finding.scenarios) <= known
        place, _, anchor = finding.source.partition("#")
        assert place != "docs/findings.md" or anchor in anchors
