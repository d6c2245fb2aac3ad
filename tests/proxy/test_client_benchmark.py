"""The proxy benchmark runs, in short, and says so when it has nothing to compare with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.stacks.proxy_choice import BINARY_VARIABLE

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bench_proxy.py"


def run_briefly() -> subprocess.CompletedProcess[str]:
    """One round of the shortest loads."""
    argv = [sys.executable, str(BENCHMARK), "--rounds", "1", "--seconds", "0.1"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.slow
def test_nothing_to_compare_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the real Toxiproxy the table has two rows, and a sentence says how to get it, with exit code 3."""
    monkeypatch.setenv(BINARY_VARIABLE, "no-such-program")
    done = run_briefly()
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["variant", "direct", "embedded"]
    assert "the real Toxiproxy was not found. go install" in done.stderr
    assert done.returncode == 3


@pytest.mark.slow
@pytest.mark.toxiproxy
@pytest.mark.usefixtures("real_toxiproxy")
def test_all_three_are_compared() -> None:
    """With it the last line has the ratios, and the exit code is 0."""
    done = run_briefly()
    assert [line.split()[0] for line in done.stdout.splitlines()[1:5]] == ["variant", "direct", "embedded", "toxiproxy"]
    assert done.stdout.splitlines()[-1].startswith("embedded / Toxiproxy ")
    assert done.returncode == 0, done.stderr
