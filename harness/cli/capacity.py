"""The search for the rate that a stack holds: ``load --find-capacity``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.core.plan import ScenarioPlan
from harness.core.results import RunResult
from harness.core.verdicts import Verdict
from harness.load.capacity import Capacity, Search, Trial, next_rate, trial_of
from harness.report.text import describe_resources

VERSION = 1

Tell = Callable[[str], object]
Play = Callable[[ScenarioPlan, int], RunResult]
"""Plays one step, counted from 0."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a search and the run that it was."""

    trial: Trial
    result: RunResult
    folder: Path


def find_capacity(
    search: Search, plan_at: Callable[[float], ScenarioPlan], play: Play, out: Path, tell: Tell
) -> list[Step]:
    """Play one step after another, each on a fresh stack, until there is nothing more to learn; tell of each."""
    steps: list[Step] = []
    while (rate := next_rate(search, [step.trial for step in steps])) is not None:
        result = play(plan_at(rate), len(steps))
        step = Step(trial_of(rate, result), result, out / result.run)
        steps.append(step)
        tell(f"step {len(steps)}: {_told(step)}\n")
    return steps


def exit_code(capacity: Capacity) -> int:
    """Return 0 for an answer, 3 when a step could not be played, 4 when the generator gave out or nothing did."""
    if capacity.found:
        return 0
    return (Verdict.ERROR if capacity.limit == "error" else Verdict.INCONCLUSIVE).exit_code


def describe(capacity: Capacity, steps: Sequence[Step]) -> str:
    """Return what was found, and on what it rests, for people."""
    return "\n".join(_lines(capacity, steps)) + "\n"


def document(capacity: Capacity, steps: Sequence[Step], code: int) -> str:
    """Return ``{"v", "found", "exit_code", "limit", "held_per_s", "broke_per_s", "text", "steps": [...]}`` as JSON."""
    whole = {"v": VERSION, "found": capacity.found, "exit_code": code, **asdict(capacity)}
    whole["steps"] = [_as_data(step) for step in steps]
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()


def _lines(capacity: Capacity, steps: Sequence[Step]) -> Iterator[str]:
    yield f"{'CAPACITY' if capacity.found else 'NO ANSWER'}  {capacity.text}"
    yield from (f"  step      {_told(step)}" for step in steps)
    telling = [step for step in steps if step.trial.rate_per_s == capacity.broke_per_s] or list(steps)
    for step in telling[-1:]:
        yield f"  at {step.trial.rate_per_s:g}/s, in {step.folder}:"
        yield from (f"  used      {text}" for text in describe_resources(step.result))


def _told(step: Step) -> str:
    trial, load = step.trial, step.result.load
    figures = f", {load.sent_per_s:g}/s sent, {load.lag_p99_ms} ms late at p99" if load else ""
    return f"{trial.rate_per_s:g}/s {trial.outcome}{figures}{': ' if trial.why else ''}{trial.why}"


def _as_data(step: Step) -> dict[str, Any]:
    load = step.result.load
    return {
        **asdict(step.trial),
        "run": step.result.run,
        "folder": str(step.folder),
        "verdict": step.result.verdict,
        "sent_per_s": load.sent_per_s if load else 0.0,
        "lag_p99_ms": load.lag_p99_ms if load else 0,
        "slos": [slo for slo in step.result.slos if "bound" in slo or "bound_ms" in slo],
        "resources": step.result.resources,
    }
