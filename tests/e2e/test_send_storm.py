"""A send storm through every driver: whatever was left without an answer, the readings tell what became of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.places import scenarios_folder
from harness.testing.chat_servers import required
from harness.testing.lacking import lacking

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


@pytest.mark.parametrize(
    "stack",
    ["reference", "synapse", "prosody", "ejabberd", "tencent", "docs/mapping-stack.yaml", "docs/stdio-stack.yaml"],
)
def test_every_unknown_outcome_is_found_stored_or_absent(stack: str, tmp_path: Path) -> None:
    """Through a lost answer, a cut, and a kill with a restart; but for listed findings, the server loses nothing."""
    name = _named(stack)
    words = ["run", str(scenarios_folder() / "send-storm.chaos.yaml"), "--stack", name, "--json", "--out", str(tmp_path)]
    ended = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", *words], capture_output=True, text=True, check=False
    )
    [played] = json.loads(ended.stdout)["runs"]
    counts = played["counts"]
    assert ended.returncode == 0, played["reasons"]
    assert counts["unanswered"] >= 1
    assert counts["unanswered_stored"] + counts["unanswered_absent"] == counts["unanswered"]


def _named(stack: str) -> str:
    if stack in ("prosody", "ejabberd"):
        required(stack)
    return str(EXAMPLES / stack.removeprefix("docs/")) if stack.startswith("docs/") else stack
