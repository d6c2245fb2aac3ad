"""A stack without processes and proxies without sockets, for tests of faults."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.core.stack import LinkSpec, Promises, ServiceSpec, StackSpec
from harness.proxy.api import Counters, ProxyInfo, ProxyState, ProxyUnavailable, Stream, ToxicState
from harness.stacks.api import Limits, PushRule, ServiceState

NOTHING_COUNTED = Counters(
    opened=0, closed=0, cut=0, refused=0, bytes_up=0, bytes_down=0, held_bytes=0, delayed_bytes=0
)
PROXY = ProxyInfo("fake", "0", "http://127.0.0.1:8474")
UNLIMITED = Limits(None, None)
RUNNING = ServiceState(running=True, pid=100, started_ns=1)


@dataclass(slots=True)
class FakeLink:
    """A proxy that remembers what it was told; ``dead`` makes it answer like a server that is gone."""

    name: str
    enabled: bool = True
    toxics: dict[str, ToxicState] = field(default_factory=dict)
    counted: Counters = NOTHING_COUNTED
    dead: bool = False
    deaf: bool = False
    """Takes commands without effect."""

    async def state(self) -> ProxyState:
        """Read back what it was told."""
        self._alive()
        return ProxyState(self.name, "127.0.0.1:1", "127.0.0.1:2", self.enabled, tuple(self.toxics.values()))

    async def enable(self, enabled: bool) -> None:
        """Remember whether it is open."""
        self._alive()
        self.enabled = self.enabled if self.deaf else enabled

    async def add_toxic(
        self, type: str, *, stream: Stream, attributes: Mapping[str, int], name: str, toxicity: float = 1.0
    ) -> None:
        """Remember a toxic."""
        self._alive()
        if not self.deaf:
            self.toxics[name] = ToxicState(name, type, stream, toxicity, dict(attributes))

    async def remove_toxic(self, name: str) -> None:
        """Forget a toxic."""
        self._alive()
        if not self.deaf:
            self.toxics.pop(name, None)

    async def counters(self) -> Counters | None:
        """Return ``counted``."""
        self._alive()
        return self.counted

    def _alive(self) -> None:
        if self.dead:
            raise ProxyUnavailable(f"the proxy of {self.name} does not answer")


@dataclass(slots=True)
class FakePeople:
    """Devices whose clocks go wrong when told so."""

    offsets: dict[str, float] = field(default_factory=dict)

    async def set_clock(self, device: str, offset_s: float) -> None:
        """Remember an offset."""
        self.offsets[device] = offset_s

    async def clock(self, device: str) -> float:
        """Return the offset."""
        return self.offsets.get(device, 0.0)


@dataclass(slots=True)
class FakeControl:
    """A control port that remembers; ``tokens`` counts good access tokens by person."""

    in_force: Limits = UNLIMITED
    tokens: dict[str, int] = field(default_factory=dict)
    offset_ns: int = 0

    async def limits(self) -> Limits:
        """Return what is in force."""
        return self.in_force

    async def set_limits(self, limits: Limits) -> None:
        """Remember limits."""
        self.in_force = limits

    async def valid_tokens(self, person: str) -> int:
        """Count."""
        return self.tokens.get(person, 0)

    async def expire_tokens(self, person: str) -> int:
        """Forget the person's tokens."""
        return self.tokens.pop(person, 0)

    async def revoke_tokens(self, person: str) -> int:
        """Forget the person's tokens."""
        return self.tokens.pop(person, 0)

    async def wall_ns(self) -> int:
        """The host's clock plus ``offset_ns``."""
        return time.time_ns() + self.offset_ns


@dataclass(slots=True)
class FakeProvider:
    """A provider whose rules have no effect but can be read back; ``answered`` counts hits by rule."""

    kind: str = "fake"
    answers: tuple[str, ...] = ("accepted", "unregistered", "throttled")
    in_force: dict[str, PushRule] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)

    async def rules(self) -> tuple[PushRule, ...]:
        """Return what is in force."""
        return tuple(self.in_force.values())

    async def add_rule(self, rule: PushRule) -> None:
        """Remember a rule."""
        self.in_force[rule.id] = rule

    async def remove_rule(self, id: str) -> None:
        """Forget a rule."""
        self.in_force.pop(id, None)

    async def hits(self, id: str) -> int:
        """Return ``answered``."""
        return self.answered.get(id, 0)


@dataclass(slots=True)
class FakeStack:
    """A stack with one service ``chat`` and the links it was given."""

    spec: StackSpec
    fakes: dict[str, FakeLink]
    launcher: str = "fake"
    proxy: ProxyInfo = PROXY
    logs: Path = Path()
    chat: ServiceState = RUNNING
    sick: bool = False
    """The service runs and never answers."""
    around: int = 0
    """Connections that go round the proxies."""
    control: FakeControl = field(default_factory=FakeControl)
    push: FakeProvider = field(default_factory=FakeProvider)
    no_clock: str = ""
    """Why the clock cannot be moved."""

    def link(self, name: str) -> FakeLink:
        """Return the fake proxy of a link."""
        return self.fakes[name]

    def links(self) -> Sequence[str]:
        """Names of the links."""
        return list(self.fakes)

    def url(self, link: str) -> str:
        """An address nobody listens on."""
        return f"http://127.0.0.1:1/{link}"

    def direct_url(self, service: str) -> str:
        """An address nobody listens on."""
        return f"http://127.0.0.1:2/{service}"

    async def state(self, service: str) -> ServiceState:
        """The state of the only service."""
        del service
        return self.chat

    async def signal(self, service: str, signal: int) -> None:
        """End the service, whatever the signal."""
        del service
        self.chat = replace(self.chat, running=False, exit_status=-signal)

    async def wait_exit(self, service: str, within_s: float) -> bool:
        """Tell whether it has ended."""
        del service, within_s
        return not self.chat.running

    async def start(self, service: str) -> None:
        """Run again under another pid."""
        del service
        self.chat = ServiceState(running=True, pid=(self.chat.pid or 0) + 1, started_ns=2)

    def provider(self, name: str) -> FakeProvider:
        """The only provider."""
        del name
        return self.push

    async def set_clock(self, service: str, offset_s: float) -> None:
        """Move the clock that the control port shows."""
        del service
        self.control.offset_ns = round(offset_s * 1e9)

    def clock_reason(self, service: str) -> str:
        """Return ``no_clock``."""
        del service
        return self.no_clock

    async def healthy(self, service: str, within_s: float) -> bool:
        """Answer at once: healthy unless ``sick``."""
        del service, within_s
        return self.chat.running and not self.sick

    def unproxied(self, service: str) -> int | None:
        """Return ``around``."""
        del service
        return self.around


def fake_stack(*links: str) -> FakeStack:
    """Return a stack whose clients reach ``chat`` over the given links."""
    base = LinkSpec("client->chat", "client", "chat", per_person=True)
    spec = StackSpec(
        name="fake",
        source="fake",
        driver="reference",
        driver_options={},
        capabilities=frozenset(),
        promises=Promises(),
        parameters={},
        services={"chat": ServiceSpec("chat", None, None)},
        links={base.name: base},
    )
    return FakeStack(spec, {name: FakeLink(name) for name in links or (base.name,)})
