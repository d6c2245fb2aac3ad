"""A scenario after its file was read, its matrix expanded and its units parsed: what a run executes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ClientBehaviour = Literal["outbox", "naive", "none"]
Transport = Literal["websocket", "http", "media"]
"""How a message is sent: on the live connection, by a request of its own, or as a file that a request uploads and the
message refers to."""
ParamValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class PersonPlan:
    """One simulated person; a crowd of N in the file has become N of these."""

    name: str
    devices: tuple[str, ...] = ("phone",)
    push: bool = False
    """Whether the devices register push tokens."""

    @property
    def device_ids(self) -> tuple[str, ...]:
        """The ids ``person/device`` that events carry."""
        return tuple(f"{self.name}/{device}" for device in self.devices)


@dataclass(frozen=True, slots=True)
class DirectWorkload:
    """``sender`` writes to ``recipient`` at ``rate_per_s``, whether or not earlier messages were answered.

    ``size`` is how many bytes each message has at least (None: those of its words).
    """

    sender: str
    recipient: str
    rate_per_s: float
    over: Transport = "websocket"
    size: int | None = None
    kind: Literal["direct"] = "direct"


@dataclass(frozen=True, slots=True)
class OfflineWorkload:
    """``device`` leaves at ``at_s`` after the start of inject and comes back ``for_s`` later."""

    device: str
    at_s: float
    for_s: float
    kind: Literal["offline"] = "offline"


@dataclass(frozen=True, slots=True)
class GroupWorkload:
    """``members`` share one group conversation in which they write ``rate_per_s`` messages together, in turn by chance.

    ``joins``, ``leaves`` and ``blocks`` happen at seconds after the start of inject: (second, person) or, for a block,
    (second, who blocks, who is blocked). People who join later are not among ``members``.
    """

    members: tuple[str, ...]
    rate_per_s: float
    joins: tuple[tuple[float, str], ...] = ()
    leaves: tuple[tuple[float, str], ...] = ()
    blocks: tuple[tuple[float, str, str], ...] = ()
    kind: Literal["group"] = "group"


@dataclass(frozen=True, slots=True)
class BlockWorkload:
    """``by`` wants no more messages of ``of`` between the two of them, from ``at_s`` after the start of inject."""

    by: str
    of: str
    at_s: float
    kind: Literal["block"] = "block"


@dataclass(frozen=True, slots=True)
class ToDeviceWorkload:
    """``sender`` sends each device of ``recipient`` messages of its own, as keys are sent, at ``rate_per_s``."""

    sender: str
    recipient: str
    rate_per_s: float
    kind: Literal["to_device"] = "to_device"


Workload = DirectWorkload | OfflineWorkload | GroupWorkload | BlockWorkload | ToDeviceWorkload


@dataclass(frozen=True, slots=True)
class Start:
    """When a fault starts: at a time, together with another fault, or after the nth event of a kind.

    Exactly one of ``at_s`` (seconds from the start of inject), ``with_fault`` and ``after`` (an event name) is set.
    ``of`` narrows ``after`` to one person (the event's sender, or the device's owner).
    """

    at_s: float | None = None
    with_fault: str | None = None
    after: str | None = None
    of: str | None = None
    nth: int = 1


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """One fault: which kind, on what, when, how long (None: until heal), and what it must have touched."""

    id: str
    kind: str
    target: str
    start: Start
    for_s: float | None
    params: dict[str, ParamValue] = field(default_factory=dict)
    min_exposed: int = 1
    must_see: tuple[str, ...] = ()
    """Events by name, or ``NAME via WAY`` for those that came by one of several ways."""


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """Declared lengths of the timed phases, in seconds."""

    baseline_s: float
    observe_s: float
    quiet_s: float

    @property
    def total_s(self) -> float:
        """What a run of this scenario takes by its own declaration."""
        return self.baseline_s + self.observe_s + self.quiet_s


@dataclass(frozen=True, slots=True)
class SloPlan:
    """One bound on how well the service copes: seconds for a time, 0..1 for a share.

    Whether ``bound`` is the most or the least follows from ``id``. With fewer than ``samples`` nothing is said; None
    leaves it to the statistics how many are enough.
    """

    id: str
    bound: float
    samples: int | None = None


@dataclass(frozen=True, slots=True)
class LoadStep:
    """From the end of the step before on, the share (0..1) of the crowd that is online goes to ``share`` in ``over_s``.

    A step to the share that there is holds it.
    """

    share: float
    over_s: float


@dataclass(frozen=True, slots=True)
class MixPlan:
    """What a crowd does, in shares (0..1): those messages that go to no group are to one other person.

    Everybody is in one small group of ``group_size``. The first ``hot_members`` share one large group, in which the
    first ``hot_writers`` write. At any time ``away`` of the people are offline, each for ``away_for_s``.
    """

    group: float = 0.0
    group_size: int = 2
    hot: float = 0.0
    hot_members: int = 0
    hot_writers: int = 1
    away: float = 0.0
    away_for_s: float = 1.0

    @property
    def needs(self) -> tuple[str, ...]:
        """Capabilities that a stack must have for it."""
        return ("groups",) if self.group or self.hot else ()


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """A crowd in place of the scenario's people: ``people`` of them, who write ``rate_per_s`` messages together.

    Times are in seconds. ``warmup_s`` passes after the first ramp before faults are armed. When 99 of 100 messages do
    not leave within ``max_lag_p99_s`` of the time at which they are due, the run says more of the generator than of the
    service.
    """

    people: int
    rate_per_s: float
    shape: tuple[LoadStep, ...]
    warmup_s: float = 5.0
    max_lag_p99_s: float = 0.05
    mix: MixPlan = MixPlan()
    duration_s: float = 0.0
    """How long they write at least; the last share is held until then."""
    arrivals_per_s: float | None = None
    """People who come a second, where the length of the first step follows from it."""
    plateau: bool = False
    """Whether service levels count only what was due from inject to heal, when everybody was there."""

    @property
    def ramp_s(self) -> float:
        """How long the first ramp takes."""
        return self.shape[0].over_s

    @property
    def total_s(self) -> float:
        """How long they come, go and write; the last share is then held to the end of the run."""
        return max(self.duration_s, sum(step.over_s for step in self.shape))


@dataclass(frozen=True, slots=True)
class ScenarioPlan:
    """One executable scenario (one matrix entry) with everything resolved."""

    name: str
    title: str
    source: str
    line: int
    stack: str
    people: tuple[PersonPlan, ...]
    workloads: tuple[Workload, ...]
    phases: PhasePlan
    faults: tuple[FaultPlan, ...]
    required_checks: tuple[str, ...]
    catches: dict[str, str]
    client: ClientBehaviour = "outbox"
    defects: tuple[str, ...] = ()
    """Defects of a naive client, by name (client mutants)."""
    tags: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    parameters: dict[str, str] = field(default_factory=dict)
    """Parameters of the stack without which the scenario would not be what it is about."""
    matrix: dict[str, str] = field(default_factory=dict)
    recover_within_s: float = 10.0
    slos: tuple[SloPlan, ...] = ()
    """Bounds beside the time to recover."""
    absent: tuple[str, ...] = ()
    """What the scenario is about and the stack that was chosen for it does not have."""
    text: str = ""
    load: LoadPlan | None = None
    """What the file says of thousands of people."""
    loaded: bool = False
    """Whether the run is under that load."""

    @property
    def crowd(self) -> LoadPlan | None:
        """The load that the run is under."""
        return self.load if self.loaded else None

    @property
    def id(self) -> str:
        """Name and matrix entry, as in pytest node ids: ``bad-day[cut=1s]``."""
        if not self.matrix:
            return self.name
        return f"{self.name}[{','.join(f'{axis}={value}' for axis, value in self.matrix.items())}]"

    @property
    def fault_people(self) -> frozenset[str]:
        """People, or single devices (``alice/phone``), whose own edge a fault names and so needs its own proxy."""
        named = (fault.target for fault in self.faults if fault.target.startswith("client:"))
        return frozenset(target.removeprefix("client:").partition("->")[0] for target in named)
