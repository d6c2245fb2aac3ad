"""What the network faults share: a disturbance made of toxics on one proxy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.core.plan import FaultPlan
from harness.faults.api import Evidence, Fault, ReadBack, UndoCommand, World
from harness.faults.proxy_undo import toxic_undo
from harness.proxy.api import LinkProxy, ProxyState, Stream

MS_PER_S = 1000


@dataclass(frozen=True, slots=True)
class ToxicSpec:
    """One toxic that a fault installs."""

    type: str
    stream: Stream
    attributes: Mapping[str, int]


class ToxicFault:
    """A disturbance made of toxics."""

    def __init__(self, plan: FaultPlan, world: World, specs: Sequence[ToxicSpec]) -> None:
        self.plan = plan
        self._link: LinkProxy = world.stack.link(plan.target)
        self._stack = world.stack
        self._toxics = {f"{plan.id}_{spec.stream}": spec for spec in specs}

    def undo_commands(self) -> tuple[UndoCommand, ...]:
        """Delete each toxic."""
        return tuple(toxic_undo(self._stack.proxy, self._link.name, name) for name in self._toxics)

    async def apply(self) -> Evidence:
        """Install the toxics."""
        for name, spec in self._toxics.items():
            await self._link.add_toxic(spec.type, stream=spec.stream, attributes=spec.attributes, name=name)
        return {"toxics": ",".join(self._toxics)}

    async def installed(self) -> ReadBack:
        """Read the proxy back: enabled, and each toxic listed with its attributes."""
        state = await self._link.state()
        found = {toxic.name: dict(toxic.attributes) for toxic in state.toxics}
        as_wanted = all(_contains(found.get(name), spec.attributes) for name, spec in self._toxics.items())
        return ReadBack(state.enabled and as_wanted, {"enabled": state.enabled, "toxics": _names(state)})

    async def undo(self) -> Evidence:
        """Remove the toxics."""
        for name in self._toxics:
            await self._link.remove_toxic(name)
        return {}

    async def healed(self) -> ReadBack:
        """Read the proxy back without them."""
        state = await self._link.state()
        left = [toxic.name for toxic in state.toxics if toxic.name in self._toxics]
        return ReadBack(not left, {"toxics": _names(state)})


def made_of(specs: Callable[[FaultPlan], Sequence[ToxicSpec]]) -> Callable[[FaultPlan, World], Fault]:
    """Return what makes a fault out of the toxics that a plan calls for."""
    return lambda plan, world: ToxicFault(plan, world, specs(plan))


def both_ways(type: str, attributes: Mapping[str, int]) -> list[ToxicSpec]:
    """Return one toxic for each direction."""
    return [ToxicSpec(type, "upstream", attributes), ToxicSpec(type, "downstream", attributes)]


def number(plan: FaultPlan, name: str) -> float:
    """Return a numeric parameter of a plan; 0 when it is absent."""
    value = plan.params.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def milliseconds(plan: FaultPlan, name: str) -> int:
    """Return a duration of a plan in whole milliseconds."""
    return round(number(plan, name) * MS_PER_S)


def _contains(found: Mapping[str, int] | None, wanted: Mapping[str, int]) -> bool:
    return found is not None and all(found.get(name) == value for name, value in wanted.items())


def _names(state: ProxyState) -> str:
    return ",".join(toxic.name for toxic in state.toxics)
