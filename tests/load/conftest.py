"""Load runs as a user starts them: child processes, because Locust must never be in this one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SCENARIO = """
version: 1
name: crowded
stack: reference
people: {alice: {}, bob: {}, carol: {}}
workload:
  - {kind: direct, from: alice, to: bob, rate: 5/s}
  - {kind: direct, from: carol, to: bob, rate: 5/s}
phases: {baseline: 2s, observe: 4s, quiet: 4s}
faults: FAULTS
expect:
  checks: [acked_never_lost, order, recovered]
load: {people: 24, rate: 20/s, shape: [{to: 100%, over: 1s}], warmup: 1s, max_lag_p99: 5s, mix: MIX}
"""
CUT = '{cut: {kind: network.down, link: "client->chat", start: {after: server_accepted, nth: 15}, for: 700ms}}'
PATIENCE_S = 100


@dataclass(frozen=True, slots=True)
class Played:
    """A load run that is over."""

    status: int
    document: dict[str, Any]
    errors: str
    folder: Path

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The events of these names, of all writers."""
        files = (self.folder / "events").glob("*.jsonl")
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return [line for line in lines if line["event"] in names]


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., Played]:
    """Run ``chat-chaos load`` on a small scenario with these faults, this mix and more flags.

    ``meanwhile`` is called with the folder of the runs once the run has begun.
    """

    def play(
        *flags: str, faults: str = CUT, mix: str = "{}", meanwhile: Callable[[Path], None] | None = None
    ) -> Played:
        file = tmp_path / "crowded.chaos.yaml"
        file.write_text(SCENARIO.replace("FAULTS", faults).replace("MIX", mix))
        command = [
            sys.executable,
            "-m",
            "harness.cli.main",
            "load",
            str(file),
            "--json",
            "--out",
            str(tmp_path / "runs"),
        ]
        with subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            if meanwhile:
                meanwhile(tmp_path / "runs")
            stdout, stderr = process.communicate(timeout=PATIENCE_S)
        document = json.loads(stdout) if stdout else {}
        return Played(process.returncode, document, stderr, (tmp_path / "runs" / "latest").resolve())

    return play
