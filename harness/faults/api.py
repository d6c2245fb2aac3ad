"""What a fault is: apply, read back, undo, each with evidence.

A fault that was commanded is not yet installed, one that is installed was not yet felt. Each step returns what it
saw, and the engine judges the ladder from that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

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


class EndsWithTheRun:
    """A fault on what the run itself started (a process, a device, a simulator): nothing of it outlives the run."""

    def undo_commands(self) -> tuple[UndoCommand, ...]:
        """Nothing to send."""
        return ()


class People(Protocol):
    """The simulated people, as far as faults act on them."""

    async def set_clock(self, device: str, offset_s: float) -> None:
        """Move the wall clock of one device."""
        ...

    async def clock(self, device: str) -> float:
        """Read back by how many seconds a device's wall clock is off."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """What faults act on."""

    stack: Stack
    people: People


Target = Literal["link", "service", "person", "device", "provider"]
"""What a fault acts on, and the key of a scenario file that names it. ``provider`` is a provider's name (``push``);
kinds that act on the whole stack's limits target the service that keeps them."""


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a fault kind as scenario files write it; a plan carries it as a plain number.

    A ``duration`` becomes seconds (float), an ``offset`` signed seconds, a ``rate`` a number per second, a ``size``
    bytes (int), a ``share`` 0..1 (float); ``integer``, ``text`` and ``device`` (which must exist) stay. ``default`` is
    already in that form; a ``required`` parameter has none.
    """

    type: Literal["duration", "offset", "rate", "size", "share", "integer", "text", "device"]
    summary: str
    required: bool = False
    default: ParamValue = None
    minimum: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault: its name, what it may act on, its parameters, and how one is made.

    ``duration`` tells whether a scenario may give ``for`` (``optional``) or not (``none``: the fault ends by itself).
    """

    kind: str
    summary: str
    colour: str
    targets: Target
    make: Callable[[FaultPlan, World], Fault]
    params: Mapping[str, Param] = field(default_factory=dict)
    duration: Literal["optional", "none"] = "optional"
    felt_by: tuple[str, ...] = ("connection_lost", "client_send_failed")
    """Events of the target's people that show the disturbance, besides what the fault itself counted."""
    felt_counts: tuple[str, ...] = ("cut", "refused", "held_bytes", "delayed_bytes")
    """Numbers in the evidence of healing that show the disturbance when they are not 0."""
    slows: Callable[[FaultPlan], float] | None = None
    """By how many seconds at least every exchange over a link takes longer, ``math.inf`` where none is answered: how it
    is felt behind a proxy that counts nothing. None for a kind that breaks connections, which is felt in itself."""
    caveat: str = ""
    """What the real Toxiproxy does differently with this kind, for the user to know."""
    stamps: Literal["client_time_ns", "server_time_ns"] | None = None
    """For a clock: the time of events that goes wrong with it, which is how it is felt."""
    needs: tuple[str, ...] = ()
    """Capabilities of the stack without which this kind is unsupported there."""
