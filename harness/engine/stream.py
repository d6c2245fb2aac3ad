"""What a run tells its listeners: one stream of facts; console, JSON, JUnit and others are mere consumers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.core.events import Phase
from harness.core.plan import ScenarioPlan
from harness.core.results import FaultResult, RunResult


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; ``attempt`` counts reruns of an inconclusive one from 1."""

    run: str
    plan: ScenarioPlan
    seed: int
    folder: Path
    attempt: int
    mutant: str | None


@dataclass(frozen=True, slots=True)
class ProxyServing:
    """The proxy server of a run is up; ``caveats`` say what it does otherwise than the faults mean it."""

    run: str
    kind: str
    version: str
    why: str
    caveats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A phase begins; ``expected_s`` is its declared length, None for phases that end by themselves."""

    run: str
    phase: Phase
    expected_s: float | None


@dataclass(frozen=True, slots=True)
class FaultMoved:
    """A fault climbed a rung or met a gap."""

    run: str
    fault: FaultResult


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run is over and judged."""

    run: str
    plan: ScenarioPlan
    result: RunResult
    folder: Path
    elapsed_s: float
    rerun: bool
    """True when this inconclusive run is about to be repeated and so is not the last word."""


@dataclass(frozen=True, slots=True)
class RunSkipped:
    """A scenario that this stack or launcher cannot play; no verdict, but shown and counted."""

    plan: ScenarioPlan
    reason: str


StreamItem = RunStarted | ProxyServing | PhaseStarted | FaultMoved | RunFinished | RunSkipped
Listener = Callable[[StreamItem], None]
