"""A send storm through every driver: whatever was left without an answer, the readings tell what became of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.places import scenarios_folder
from harness.testing.chat_servers import Server, required

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


@pytest.mark.parametrize(
    ("stack", "server"),
    [
        ("reference", None),
        ("synapse", "synapse"),
        ("prosody", "prosody"),
        ("ejabberd", "ejabberd"),
        ("tencent", None),
        (str(EXAMPLES / "mapping-stack.yaml"), None),
        (str(EXAMPLES / "stdio-stack.yaml"), None),
    ],
    ids=lambda value: Path(value).stem if value else "",
)
def test_every_unknown_outcome_is_found_stored_or_absent(stack: str, server: Server | None, tmp_path: Path) -> None:
    """Through a lost answer, a cut, and a kill with a restart; but for listed findings, the server loses nothing."""
    if server:
        required(server)
    storm = str(scenarios_folder() / "send-storm.chaos.yaml")
    argv = [sys.executable, "-m", "harness.cli.main", "run", storm, "--stack", stack, "--json", "--out", str(tmp_path)]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    [played] = json.loads(ended.stdout)["runs"]
    counts = played["counts"]
    assert ended.returncode == 0, played["reasons"]
    assert counts["unanswered"] >= 1
    assert counts["unanswered_stored"] + counts["unanswered_absent"] == counts["unanswered"]
