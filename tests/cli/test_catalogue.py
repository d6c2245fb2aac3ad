"""Commands that show what there is and check files, without running anything."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.places import scenarios_folder

ChatChaos = Callable[..., subprocess.CompletedProcess[str]]

BROKEN = """\
version: 1
name: broken
titel: A slip
stack: reference
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A file with a misspelt key."""
    file = tmp_path / "broken.chaos.yaml"
    file.write_text(BROKEN)
    return file


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("scenarios", "lost-answer"),
        ("faults", "network.down"),
        ("checks", "acked_never_lost"),
        ("stacks", "reference"),
        ("drivers", "reference"),
        ("mutants", "ack_before_store"),
    ],
)
def test_each_list_has_what_comes_along(chat_chaos: ChatChaos, what: str, name: str) -> None:
    """A list is a line for each thing that begins with its name; as JSON it has the same things."""
    lines = chat_chaos("list", what).stdout.splitlines()
    names = [line.split()[0] for line in lines]
    assert name in names
    assert [row["name"] for row in json.loads(chat_chaos("list", what, "--json").stdout)] == names


def test_the_list_of_scenarios_says_which_stack_each_is_made_for(chat_chaos: ChatChaos) -> None:
    """Those of real servers are told from those of the backend that comes along."""
    rows = json.loads(chat_chaos("list", "scenarios", "--json").stdout)
    made_for = {row["name"]: row["stack"] for row in rows}
    assert (made_for["lost-answer"], made_for["slept-too-long"]) == ("reference", "prosody")


def test_the_scenarios_that_come_along_are_right(chat_chaos: ChatChaos) -> None:
    """Every shipped file passes validate."""
    ended = chat_chaos("validate", scenarios_folder())
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.startswith("all right: ")


def test_a_mistake_is_shown_with_its_place(chat_chaos: ChatChaos, broken: Path) -> None:
    """Text output has file:line:column, the line, a caret and a suggestion; exit code 2."""
    ended = chat_chaos("validate", broken.name)
    assert ended.returncode == 2
    assert "broken.chaos.yaml:3:1:" in ended.stdout
    assert "titel: A slip\n    ^" in ended.stdout
    assert "did you mean 'title'?" in ended.stdout


def test_mistakes_come_as_json(chat_chaos: ChatChaos, broken: Path) -> None:
    """JSON output is one document with the places."""
    ended = chat_chaos("validate", broken.name, "--format", "json")
    assert ended.returncode == 2
    places = [(item["line"], item["column"]) for item in json.loads(ended.stdout)["diagnostics"]]
    assert (3, 1) in places


def test_mistakes_come_as_annotations(chat_chaos: ChatChaos, broken: Path) -> None:
    """GitHub output annotates the line of the file."""
    ended = chat_chaos("validate", broken.name, "--format", "github")
    assert ended.returncode == 2
    assert "::error file=broken.chaos.yaml,line=3,col=1," in ended.stdout


def test_a_scenario_is_explained(chat_chaos: ChatChaos) -> None:
    """Explain names the title, the people and the fault."""
    told = chat_chaos("explain", scenarios_folder() / "lost-answer.chaos.yaml").stdout
    assert "The answer to my message got lost" in told
    assert "network.downstream_blackhole" in told


def test_the_schema_is_json_schema(chat_chaos: ChatChaos) -> None:
    """Schema prints one JSON document for editors."""
    assert "$schema" in json.loads(chat_chaos("schema").stdout)
