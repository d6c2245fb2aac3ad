"""A device leaves on purpose and comes back: what it missed must reach it by its own sync."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.core.plan import OfflineWorkload


@dataclass(frozen=True, slots=True)
class Move:
    """A device leaves or returns, ``at_s`` seconds after the start of inject."""

    at_s: float
    device: str
    kind: Literal["leave", "return"]


def moves(workload: OfflineWorkload) -> tuple[Move, Move]:
    """Return the two moves of an absence in the order of their times."""
    leave = Move(workload.at_s, workload.device, "leave")
    return leave, Move(workload.at_s + workload.for_s, workload.device, "return")
