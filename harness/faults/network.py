"""Network faults at layer 4: what a cut, slow or deaf line does to one link.

The proxy acknowledges bytes on behalf of the far side, so a black hole swallows whole messages, never single packets,
and a connect to a link that is down is refused at once rather than lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.core.plan import FaultPlan
from harness.faults.api import Evidence, Fault, FaultKind, Param, ReadBack, UndoCommand, World
from harness.faults.proxy_undo import disable_undo, toxic_undo
from harness.proxy.api import LinkProxy, ProxyState, Stream

MS_PER_S = 1000


@dataclass(frozen=True, slots=True)
class ToxicSpec:
    """One toxic that a fault installs."""

    type: str
    stream: Stream
    attributes: Mapping[str, int]


class Down:
    """The link is cut: open connections end, new ones are refused, until healed."""

    def __init__(self, plan: FaultPlan, world: World) -> None:
        self.plan = plan
        self._link = world.stack.link(plan.target)
        self._stack = world.stack

    def undo_commands(self) -> tuple[UndoCommand, ...]:
        """Enable the proxy again."""
        return (disable_undo(self._stack.proxy, self._link.name),)

    async def apply(self) -> Evidence:
        """Disable the proxy; what was open at that moment is the evidence of what was cut."""
        before = await self._link.counters()
        await self._link.enable(enabled=False)
        return {} if before is None else {"open_connections": before.opened - before.closed}

    async def installed(self) -> ReadBack:
        """Read the proxy back as disabled."""
        state = await self._link.state()
        return ReadBack(not state.enabled, {"enabled": state.enabled})

    async def undo(self) -> Evidence:
        """Enable the proxy."""
        await self._link.enable(enabled=True)
        return {}

    async def healed(self) -> ReadBack:
        """Read the proxy back as enabled."""
        state = await self._link.state()
        return ReadBack(state.enabled, {"enabled": state.enabled})


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


def _latency(plan: FaultPlan, world: World) -> Fault:
    # Half the delay each way, so that `latency` is what a round trip gains.
    half = {name: round(_seconds(plan, name) * MS_PER_S / 2) for name in ("latency", "jitter")}
    return ToxicFault(plan, world, [ToxicSpec("latency", "upstream", half), ToxicSpec("latency", "downstream", half)])


def _downstream_blackhole(plan: FaultPlan, world: World) -> Fault:
    return ToxicFault(plan, world, [ToxicSpec("timeout", "downstream", {"timeout": 0})])


def _reset(plan: FaultPlan, world: World) -> Fault:
    after_ms = round(_seconds(plan, "delay") * MS_PER_S)
    return ToxicFault(plan, world, [ToxicSpec("reset_peer", "upstream", {"timeout": after_ms})])


CUT, SLOW, DEAF = "#c0392b", "#e67e22", "#8e44ad"

KINDS = (
    FaultKind(
        kind="network.down",
        summary="the link is cut: open connections end, new ones are refused",
        colour=CUT,
        targets="link",
        make=Down,
    ),
    FaultKind(
        kind="network.latency",
        summary="a round trip over the link takes longer",
        colour=SLOW,
        targets="link",
        make=_latency,
        params={
            "latency": Param("duration", "what a round trip gains", required=True, minimum=0.002),
            "jitter": Param("duration", "how far the gain varies, up or down", default=0.0, minimum=0.0),
        },
    ),
    FaultKind(
        kind="network.downstream_blackhole",
        summary="what the service answers is swallowed: its work is done, the answer is lost",
        colour=DEAF,
        targets="link",
        make=_downstream_blackhole,
    ),
    FaultKind(
        kind="network.reset",
        summary="connections that carry anything from the client end with a TCP reset",
        colour=CUT,
        targets="link",
        make=_reset,
        params={"delay": Param("duration", "from the first byte to the reset", default=0.0, minimum=0.0)},
    ),
)


def _seconds(plan: FaultPlan, name: str) -> float:
    value = plan.params.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _contains(found: Mapping[str, int] | None, wanted: Mapping[str, int]) -> bool:
    return found is not None and all(found.get(name) == value for name, value in wanted.items())


def _names(state: ProxyState) -> str:
    return ",".join(toxic.name for toxic in state.toxics)
