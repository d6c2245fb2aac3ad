"""Whether a system is well enough to be disturbed: errors and latency of the undisturbed messages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.stack import AbortRules
from harness.stacks.guard import Aborted

HINT = "nothing was disturbed: mend the system first, or change `abort:` in the stack file"
NS_PER_S = 1e9
SLOW_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the attempts of the baseline came to; latencies in seconds from the first attempt to the acknowledgement."""

    attempts: int
    failed: int
    latencies: tuple[float, ...]

    @property
    def p95_s(self) -> float:
        """The latency that 95 of 100 acknowledged sends do not exceed; 0 without any."""
        ordered = sorted(self.latencies)
        return ordered[math.ceil(SLOW_SHARE * len(ordered)) - 1] if ordered else 0.0


def check_baseline(events: Path, rules: AbortRules) -> None:
    """Raise ``Aborted`` when a run's baseline so far has more errors, or is slower, than the stack file bears."""
    found = measure(event for file in sorted(events.glob("swarm-*.jsonl")) for event in _events(file))
    share = found.failed / found.attempts if found.attempts else 0.0
    if rules.baseline_errors is not None and share > rules.baseline_errors:
        raise Aborted(
            f"{found.failed} of {found.attempts} attempts to send failed before any fault, "
            f"more than {rules.baseline_errors:.1%}",
            hint=HINT,
        )
    if rules.baseline_latency_s is not None and found.p95_s > rules.baseline_latency_s:
        raise Aborted(
            f"before any fault, 5 of 100 messages took {found.p95_s:.2f} s or more to be acknowledged, "
            f"above the bound of {rules.baseline_latency_s:g} s",
            hint=HINT,
        )


def measure(events: Iterator[Mapping[str, Any]]) -> Baseline:
    """Count the attempts of the baseline and time its sends."""
    started: dict[str, int] = {}
    accepted: dict[str, int] = {}
    attempts = failed = 0
    for event in events:
        if event.get("phase") != "baseline":
            continue
        if event["event"] == "client_send_started":
            attempts += 1
            started.setdefault(event["op"], event["mono_ns"])
        elif event["event"] == "client_send_failed" and not event.get("detail", {}).get("final"):
            failed += 1
        elif event["event"] == "server_accepted":
            accepted.setdefault(event["op"], event["mono_ns"])
    return Baseline(
        attempts, failed, tuple((at - started[op]) / NS_PER_S for op, at in accepted.items() if op in started)
    )


def _events(file: Path) -> Iterator[Mapping[str, Any]]:
    with file.open("rb") as lines:
        for line in lines:
            with suppress(ValueError):  # the last line may be half written yet
                yield json.loads(line)
