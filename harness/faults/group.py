"""One fault on several proxies: a cut of ``client->chat`` also reaches the people who have an edge of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.core.plan import FaultPlan
from harness.core.stack import covers
from harness.faults.api import Evidence, Fault, FaultKind, ReadBack, UndoCommand, World
from harness.stacks.api import Stack


class Group:
    """Several faults that stand for one plan; it holds only if each of them holds."""

    def __init__(self, plan: FaultPlan, members: Sequence[Fault]) -> None:
        self.plan = plan
        self._members = members

    def undo_commands(self) -> tuple[UndoCommand, ...]:
        """What undoes each member."""
        return tuple(command for member in self._members for command in member.undo_commands())

    async def apply(self) -> Evidence:
        """Apply one after the other."""
        return _merged([await member.apply() for member in self._members])

    async def installed(self) -> ReadBack:
        """Read back each."""
        return _all([await member.installed() for member in self._members])

    async def undo(self) -> Evidence:
        """Undo in reverse order."""
        return _merged([await member.undo() for member in reversed(self._members)])

    async def healed(self) -> ReadBack:
        """Read back each."""
        return _all([await member.healed() for member in self._members])


def bind(kind: FaultKind, plan: FaultPlan, world: World) -> Fault:
    """Make the fault of a plan on every proxy that its target stands for."""
    if kind.targets != "link":
        return kind.make(plan, world)
    targets = proxies_of(plan.target, world.stack)
    members = [kind.make(replace(plan, target=target), world) for target in targets]
    return members[0] if len(members) == 1 else Group(plan, members)


def proxies_of(link: str, stack: Stack) -> list[str]:
    """Names of the proxies that carry a link's traffic: its own, and people's own edges of the same link."""
    return [link, *(name for name in stack.links() if name != link and covers(link, name))]


def _merged(found: Sequence[Evidence]) -> Evidence:
    return {key: value for evidence in found for key, value in evidence.items()}


def _all(found: Sequence[ReadBack]) -> ReadBack:
    return ReadBack(all(one.holds for one in found), _merged([one.evidence for one in found]))
