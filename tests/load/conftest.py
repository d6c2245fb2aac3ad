"""Load runs as a user starts them: child processes, because Locust must never be in this one."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
phases: {baseline: 4s, observe: 4s, quiet: 4s}
faults: FAULTS
expect:
  checks: [acked_never_lost, order, recovered]
  slo: SLO
load: {people: 24, rate: 20/s, shape: [{to: 100%, over: 1s}], warmup: 1s, max_lag_p99: 5s, mix: MIX}
"""
CUT = '{cut: {kind: network.down, link: "client->chat", start: {after: server_accepted, nth: 15}, for: 700ms}}'
PATIENCE_S = 100
GONE_WITHIN_S = 10.0
MARK = "CHAT_CHAOS_TEST_FAMILY"


@dataclass(frozen=True, slots=True)
class Family:
    """All processes that belong to one run, however deep: they share a variable of their environment."""

    mark: str

    def environ(self) -> dict[str, str]:
        """Return the environment that makes a process one of the family."""
        return {**os.environ, MARK: self.mark}

    def pids(self, *words: str) -> list[int]:
        """Return who is alive now and was started with all these words."""
        return sorted(pid for pid, command in self._alive() if all(word in command for word in words))

    @staticmethod
    def wait_until(found: Callable[[], Any]) -> Any:
        """Wait until there is something, and return it."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if something := found():
                return something
            time.sleep(0.1)
        raise AssertionError("it did not come about in time")

    def gone(self) -> bool:
        """Wait until nobody is left; False when somebody stays."""
        end = time.monotonic() + GONE_WITHIN_S
        while (left := self.pids()) and time.monotonic() < end:
            time.sleep(0.1)
        return not left

    def _alive(self) -> Iterator[tuple[int, list[str]]]:
        wanted = f"{MARK}={self.mark}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environ = (folder / "environ").read_bytes().split(b"\0")
                command = (folder / "cmdline").read_text().split("\0")
            except OSError:  # has just ended, or is another user's
                continue
            if wanted in environ and command != [""]:
                yield int(folder.name), command


@pytest.fixture
def family() -> Family:
    """The processes of one test."""
    return Family(secrets.token_hex(8))


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
def loaded(tmp_path: Path, family: Family) -> Callable[..., Played]:
    """Run ``chat-chaos load`` on a small scenario with these faults, this mix, these bounds and more flags.

    ``meanwhile`` is called with the folder of the runs once the run has begun.
    """

    def play(
        *flags: str,
        faults: str = CUT,
        mix: str = "{}",
        slo: str = "{}",
        within_s: float = PATIENCE_S,
        meanwhile: Callable[[Path], None] | None = None,
    ) -> Played:
        file = tmp_path / "crowded.chaos.yaml"
        file.write_text(SCENARIO.replace("FAULTS", faults).replace("MIX", mix).replace("SLO", slo))
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
        with subprocess.Popen(
            [*command, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=family.environ()
        ) as process:
            if meanwhile:
                meanwhile(tmp_path / "runs")
            stdout, stderr = process.communicate(timeout=within_s)
        document = json.loads(stdout) if stdout else {}
        return Played(process.returncode, document, stderr, (tmp_path / "runs" / "latest").resolve())

    return play
