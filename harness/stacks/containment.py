"""What can be done to services because they run in containers: parted, squeezed, deprived of disk and power."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from harness.core.errors import EnvironmentFault
from harness.stacks.api import Stack

DiskCommand = Literal["fill", "drain", "space", "cut", "look"]


@dataclass(frozen=True, slots=True)
class Resources:
    """What containers may use and what came of it, all of a service's together; counts are since each started.

    ``cpus`` is of one container, in processors, and ``memory`` in bytes, None where nothing limits them; ``used`` is
    memory in bytes. ``throttled`` counts the scheduler's periods in which a container was made to wait, ``limit_hits``
    how often one reached the end of its memory, ``oom_kills`` how many were killed for it.
    """

    cpus: float | None
    memory: int | None
    used: int = 0
    throttled: int = 0
    limit_hits: int = 0
    oom_kills: int = 0


@runtime_checkable
class Containment(Protocol):
    """Services in containers of our own. A service's name stands for all its replicas, ``chat.1`` for one of them.

    Every call raises ``EnvironmentFault``.
    """

    async def part(self, link: str, replica: int) -> int:
        """Take a link's source, or one replica of it (from 1; 0: all), off the link's network; return how many."""
        ...

    async def rejoin(self, link: str, replica: int) -> int:
        """Put back what was taken off a link's network, at the address it had; return how many were."""
        ...

    async def apart(self, link: str, replica: int) -> tuple[int, int]:
        """Return how many containers at a link's source are off its network now, and how many are on it."""
        ...

    async def limit_cpus(self, service: str, cpus: float | None) -> None:
        """Let each container use so many processors, or as many as there are."""
        ...

    async def limit_memory(self, service: str, headroom: int | None) -> None:
        """Let each container use so many bytes beyond what it has now, or all there is."""
        ...

    async def disk(self, service: str, command: DiskCommand) -> list[Mapping[str, Any]]:
        """Do something to the disk of each container of a service; return what each told.

        ``fill`` it up to the last byte, ``drain`` what filled it, tell its ``space``, ``cut`` its power, and ``look``
        at what is left after that, while nobody else uses it.
        """
        ...

    async def resources(self, service: str) -> Resources:
        """What the engine says of limits, and the kernel of what came of them."""
        ...


def containment(stack: Stack) -> Containment:
    """Return what can be done to a stack's containers; raises ``EnvironmentFault`` for one that has none of its own."""
    found = getattr(stack, "containment", None)
    if isinstance(found, Containment):
        return found
    raise EnvironmentFault(
        f"the {stack.launcher} launcher runs stack {stack.spec.name} without containers of its own",
        hint="play the scenario with --launcher docker",
    )
