"""The proxy benchmark runs, in short, and says so when it has nothing to compare with."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from harness.stacks.proxy_choice import BINARY_VARIABLE

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bench_proxy.py"


def run_briefly() -> subprocess.CompletedProcess[str]:
    """One round of the shortest loads."""
    argv = [sys.executable, str(BENCHMARK), "--rounds", "1", "--seconds", "0.1"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.slow
def test_nothing_to_compare_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the real Toxiproxy there is no row of it, and a sentence says how to get it, with exit code 3."""
    monkeypatch.setenv(BINARY_VARIABLE, "no-such-program")
    done = run_briefly()
    assert [line.split()[0] for line in done.stdout.splitlines()[1:4]] == ["variant", "direct", "embedded"]
    assert "toxiproxy" not in done.stdout
    assert "the real Toxiproxy was not found. go install" in done.stderr
    assert done.returncode == 3


@pytest.mark.slow
@pytest.mark.toxiproxy
@pytest.mark.usefixtures("real_toxiproxy")
def test_all_are_compared() -> None:
    """With it the last line has the ratios, and the exit code says whether the bars hold."""
    done = run_briefly()
    assert [line.split()[0] for line in done.stdout.splitlines()[1:5]] == ["variant", "direct", "embedded", "toxiproxy"]
    last = done.stdout.splitlines()[-1]
    assert last.startswith("embedded / Toxiproxy ")
    assert done.returncode == (0 if last.endswith("all hold") else 1), done.stderr


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The bars of the benchmark."""
    monkeypatch.syspath_prepend(BENCHMARK.parent)
    return importlib.import_module("proxy_bars")


def figures(bars: ModuleType, per_s: float, cpu_us: float, p99_us: float) -> dict[str, SimpleNamespace]:
    """The same figures under every load."""
    return {bar.load: SimpleNamespace(per_s=per_s, cpu_us=cpu_us, p99_us=p99_us) for bar in bars.BARS}


def test_everything_is_reached(bars: ModuleType) -> None:
    """Twice as fast at the same cost is enough, and the line says so."""
    found = bars.measured(figures(bars, 200, 10, 500), figures(bars, 100, 10, 500))
    assert bars.verdict(found).endswith(": all hold")


@pytest.mark.parametrize(
    ("ours", "missed"),
    [
        ((199, 10, 500), "bulk 4 1.99x MISSED, needs 2"),
        ((119, 10, 500), "ping 50 1.19x MISSED, needs 1.2"),
        ((200, 10.1, 500), "ping 500 cpu 1.01x MISSED, at most 1"),
        ((200, 10, 600), "ping 50 p99 1.20x MISSED, at most 1"),
    ],
)
def test_what_is_missed_is_named(bars: ModuleType, ours: tuple[float, float, float], missed: str) -> None:
    """Each demand by itself, with what it needs."""
    found = bars.measured(figures(bars, *ours), figures(bars, 100, 10, 500))
    assert not all(one.holds for one in found)
    assert missed in bars.verdict(found)


def test_what_was_not_measured_is_missed(bars: ModuleType) -> None:
    """A figure of 0 on their side proves nothing."""
    found = bars.measured(figures(bars, 200, 10, 500), figures(bars, 0, 0, 0))
    assert not any(one.holds for one in found)
