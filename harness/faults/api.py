"""What a fault is: apply, read back, undo, each with evidence.

A fault that was commanded is not yet installed, one that is installed was not yet felt. Each step returns what it
saw, and the engine judges the ladder from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from harness.core.events import Scalar
from harness.core.plan import FaultPlan, ParamValue
from harness.stacks.api import Stack

Evidence = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class UndoCommand:
    """An undo as data, journaled before the fault is applied so that another process can carry it out.

    ``method``/``url``/``body`` is one HTTP request to the proxy's API; a fault on a process has none (its process
    ends with the run).
    """

    method: str
    url: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Whether the state that was wanted was seen, and what was seen."""

    holds: bool
    evidence: Evidence


class Fault(Protocol):
    """One fault on one target of one running stack."""

    plan: FaultPlan

    def undo_commands(self) -> tuple[UndoCommand, ...]:
        """What a stranger has to send to undo it."""
        ...

    async def apply(self) -> Evidence:
        """Give the command."""
        ...

    async def installed(self) -> ReadBack:
        """Read back that the disturbance is in place."""
        ...

    async def undo(self) -> Evidence:
        """Take it back; harmless when repeated."""
        ...

    async def healed(self) -> ReadBack:
        """Read back that nothing of it is left."""
        ...


class FaultKind(Protocol):
    """A kind of fault: its name, what it may act on, and how one is made."""

    kind: str
    summary: str
    colour: str
    targets: str
    """``link`` or ``service``."""

    def check(self, params: Mapping[str, ParamValue]) -> Mapping[str, ParamValue]:
        """Return the parameters in full (durations in seconds); raises ``ValueError`` with a sentence."""
        ...

    def make(self, plan: FaultPlan, stack: Stack) -> Fault:
        """Bind a planned fault to a running stack."""
        ...
