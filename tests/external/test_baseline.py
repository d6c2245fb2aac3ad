"""Whether a system is well enough to be disturbed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.core.stack import AbortRules
from harness.engine.baseline import Baseline, check_baseline, measure
from harness.stacks.guard import Aborted

MS = 1_000_000
CAREFREE = AbortRules(baseline_errors=None, baseline_latency_s=None)


def send(op: int, took_ms: int | None, *, phase: str = "baseline", failures: int = 0) -> Iterator[dict[str, Any]]:
    """One operation: so many failed attempts, then one that is acknowledged (None: not yet)."""
    common = {"op": f"op{op}", "phase": phase}
    for _ in range(failures):
        yield {**common, "event": "client_send_started", "mono_ns": 0}
        yield {**common, "event": "client_send_failed", "mono_ns": MS}
    yield {**common, "event": "client_send_started", "mono_ns": 2 * MS * bool(failures)}
    if took_ms is not None:
        yield {**common, "event": "server_accepted", "mono_ns": took_ms * MS}


def written(folder: Path, *sends: Iterator[dict[str, Any]], torn: bool = False) -> Path:
    """The events folder of a run."""
    lines = [json.dumps(event) for events in sends for event in events]
    text = "\n".join(lines) + "\n" + ('{"event": "serv' if torn else "")
    (folder / "swarm-1-2.jsonl").write_text(text)
    return folder


def test_only_the_baseline_is_measured() -> None:
    """Attempts, failures that are no final word, and the time from the first attempt to the acknowledgement."""
    events = [*send(1, 10, failures=1), *send(2, None), *send(3, 900, phase="observe")]
    events.append({"op": "op9", "phase": "baseline", "event": "client_send_failed", "detail": {"final": True}})
    assert measure(iter(events)) == Baseline(attempts=3, failed=1, latencies=(0.01,))


def test_the_latency_is_that_of_the_slow_ones() -> None:
    """The 95th of 100, and of few the slowest; without any there is nothing to hold against it."""
    assert Baseline(0, 0, tuple(n / 100 for n in range(1, 101))).p95_s == 0.95
    assert Baseline(0, 0, (0.1, 3.0)).p95_s == 3.0
    assert Baseline(0, 0, ()).p95_s == 0.0


def test_too_many_errors_end_a_run(tmp_path: Path) -> None:
    """A line that is still being written is left out; `never` bears everything."""
    events = written(tmp_path, *(send(op, 5, failures=op % 2) for op in range(10)), torn=True)
    with pytest.raises(Aborted, match="5 of 15 attempts to send failed before any fault"):
        check_baseline(events, AbortRules())
    check_baseline(events, CAREFREE)


def test_too_slow_a_system_ends_a_run(tmp_path: Path) -> None:
    """The bound itself is borne."""
    events = written(tmp_path, *(send(op, 2000) for op in range(10)))
    check_baseline(events, AbortRules(baseline_latency_s=2.0))
    with pytest.raises(Aborted, match=r"took 2\.00 s or more"):
        check_baseline(events, AbortRules(baseline_latency_s=1.9))


def test_nothing_sent_is_nobodys_fault(tmp_path: Path) -> None:
    """Whether anything was accepted at all is asked elsewhere."""
    check_baseline(tmp_path, AbortRules())
