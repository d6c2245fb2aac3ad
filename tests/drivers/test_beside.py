"""A driver in a Python file of the user's own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import UsageError
from harness.core.places import scenarios_folder
from harness.drivers.beside import settle
from harness.drivers.registry import driver
from harness.scenario.diagnostics import BadFile
from harness.scenario.stackfile import load_stack

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the guide's example; returns its stack file."""
    for name in ("driver.py", "driver_backend.py", "driver-stack.yaml"):
        shutil.copy(EXAMPLES / name, tmp_path)
    return tmp_path / "driver-stack.yaml"


def test_the_file_lies_beside_the_stack_file(example: Path) -> None:
    """Its path is resolved when the stack is read, so that it is found wherever the people play."""
    spec = load_stack(str(example))
    assert spec.driver_options == {"file": str(example.parent / "driver.py")}
    assert driver(spec.driver, spec.driver_options).kind == "tiny"


def test_a_file_that_is_not_there_has_its_place_in_the_stack_file(example: Path) -> None:
    """Line and column of the driver."""
    example.write_text(example.read_text().replace("driver.py", "drivr.py"))
    with pytest.raises(BadFile, match=r"driver-stack\.yaml:4:9: error\[bad-value\]: there is no driver file"):
        load_stack(str(example))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1\n", "has no function 'make'"),
        ("import nothing_of_the_kind\n", "ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
        ("def make(:\n", "SyntaxError"),
    ],
)
def test_a_file_that_is_no_driver_is_told(tmp_path: Path, text: str, told: str) -> None:
    """In a sentence with the place, not as a traceback."""
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UsageError, match=told):
        driver("python", settle({"file": "mine.py"}, tmp_path))


def test_other_options_are_the_drivers_own(example: Path) -> None:
    """The file's `make` gets them, and refuses what it does not know."""
    options = settle({"file": "driver.py", "colour": "blue"}, example.parent)
    with pytest.raises(UsageError, match="takes no option 'colour'"):
        driver("python", options)


# Answers come too late: every message that is sent meanwhile is sent again, whatever else is under way.
SLOW_ANSWERS = """\
version: 1
name: slow-answers
title: The answer came when I had sent it again
stack: reference
people: {alice: {devices: [phone]}, bob: {devices: [phone]}}
workload: [{kind: direct, from: alice, to: bob, rate: 10/s}]
phases: {baseline: 2s, observe: 4s, quiet: 4s}
faults: {slow: {kind: network.latency, link: "client->chat", start: {at: 0s}, for: 3s, latency: 1500ms}}
expect: {checks: [no_duplicates]}
"""


def run(stack: Path, scenario: Path) -> dict[str, Any]:
    """Play a scenario against the example."""
    words = ["run", str(scenario), "--stack", str(stack), "--json"]
    argv = [sys.executable, "-m", "harness.cli.main", *words]
    done = subprocess.run(argv, cwd=stack.parent, capture_output=True, text=True, check=False)
    [played] = json.loads(done.stdout)["runs"]
    return dict(played)


@pytest.mark.slow
def test_the_example_of_the_guide_passes(example: Path) -> None:
    """A scenario of the catalogue, through the driver in the file."""
    played = run(example, scenarios_folder() / "lost-answer.chaos.yaml")
    assert played["verdict"] == "pass", played["reasons"]


@pytest.mark.slow
def test_a_defect_of_the_examples_backend_is_caught(example: Path) -> None:
    """Without its memory of ids the backend stores what is sent again a second time."""
    backend = example.parent / "driver_backend.py"
    old = "if name not in self.numbers:"
    assert old in backend.read_text()
    backend.write_text(backend.read_text().replace(old, "if True:"))
    scenario = example.parent / "slow-answers.chaos.yaml"
    scenario.write_text(SLOW_ANSWERS)
    played = run(example, scenario)
    assert "no_duplicates" in [check["id"] for check in played["checks"] if check["verdict"] == "fail"]
