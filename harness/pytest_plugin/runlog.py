"""What one test saw of its run: the moments of its phases and faults, and its last word."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.core.results import FaultResult
from harness.engine.stream import FaultMoved, PhaseStarted, RunFinished, RunSkipped, RunStarted, StreamItem


@dataclass(frozen=True, slots=True)
class Moment:
    """Something began at a wall time (seconds since the epoch)."""

    name: str
    at_s: float


@dataclass(slots=True)
class RunLog:
    """A listener that keeps the last attempt of a scenario."""

    wall: Callable[[], float] = time.time
    phases: list[Moment] = field(default_factory=list)
    faults: list[tuple[float, FaultResult]] = field(default_factory=list)
    finished: RunFinished | None = None
    ended_s: float = 0.0
    skipped: str | None = None

    def __call__(self, item: StreamItem) -> None:
        """Take note of one fact."""
        match item:
            case RunStarted():  # an inconclusive run is repeated: the last attempt counts
                self.phases, self.faults = [], []
            case PhaseStarted():
                self.phases.append(Moment(item.phase, self.wall()))
            case FaultMoved():
                self.faults.append((self.wall(), item.fault))
            case RunSkipped():
                self.skipped = item.reason
            case RunFinished() if not item.rerun:
                self.finished, self.ended_s = item, self.wall()
