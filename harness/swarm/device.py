"""One simulated device: its credential, its connection, what it receives and what it sends."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from harness.core.clock import Clock
from harness.core.seeds import Seed
from harness.drivers.api import Account, Device, Driver, Session, TokenRejected
from harness.drivers.habits import CORRECT, Habits
from harness.drivers.limits import Limits
from harness.drivers.outbox import Outbox
from harness.drivers.tokens import OPEN, Gate, Spawn, Tokens
from harness.history.recorder import Recorder
from harness.swarm.clocks import DeviceClock
from harness.swarm.config import Route
from harness.swarm.connection import Connection
from harness.swarm.errands import Errands
from harness.swarm.inbox import Arrived, Inbox


@dataclass(frozen=True, slots=True)
class World:
    """What all devices of a swarm share."""

    driver: Driver
    recorder: Recorder
    seed: Seed
    key: bytes
    clock: Clock
    spawn: Spawn
    habits: Habits = CORRECT
    gate: Gate = OPEN
    """Lets through as many logins and dials at once as this process can do in time."""
    arrived: Arrived | None = None
    """Hears of every message, for whoever plays along outside the swarm."""
    limits: Limits = field(default_factory=Limits)

    def rng(self, purpose: str, device: Device) -> random.Random:
        """A device's own stream of chance for one purpose."""
        return self.seed.rng(purpose, device.id)


class DeviceAgent:
    """Plays one device from its first appearance to the end of the run."""

    def __init__(self, device: Device, account: Account, route: Route, world: World) -> None:
        self.device = device
        self.clock = DeviceClock(world.clock)
        self.online = False
        self.in_touch = False
        self._recorder = world.recorder
        self._tokens = _tokens(device, account, route, world)
        self._inbox = Inbox(
            device,
            world.recorder,
            seed=world.seed,
            key=world.key,
            drop=self._drop,
            rejected=self._rejected,
            arrived=world.arrived,
            limits=world.limits,
        )
        self._connection = Connection(
            world.driver,
            account,
            device,
            route.endpoint,
            self._tokens,
            link=route.link,
            recorder=world.recorder,
            rng=world.rng("redial", device),
            clock=self.clock,
            spawn=world.spawn,
            serve=self._inbox.serve,
            gate=world.gate,
        )
        self.outbox = Outbox(
            device,
            self._connection,
            self._tokens,
            world.recorder,
            link=route.link,
            key=world.key,
            rng=world.rng("retry", device),
            spawn=world.spawn,
            habits=world.habits,
            limits=world.limits,
        )
        self.errands = Errands(self._connection, self._tokens, rng=world.rng("errands", device))

    @property
    def last_error(self) -> str:
        """Why the device was last without a connection."""
        return self._tokens.last_error or self._connection.last_error

    def come_online(self) -> None:
        """Appear, for the first time or again, and connect; harmless when online."""
        if self.online:
            return
        self.online = True
        self._recorder.record(
            "person_online",
            device=self.device.id,
            platform=self.device.platform,
            client_version=self.device.client_version,
        )
        self._connection.start()

    async def go_offline(self) -> None:
        """Leave on purpose; what is sent meanwhile waits in the outbox. Harmless when offline."""
        if not self.online:
            return
        self.online = False
        self._recorder.record("person_offline", device=self.device.id)
        await self._connection.stop()

    async def follow_to_end(self) -> None:
        """Follow the device's own cursor to its end, on as many sessions as it takes; never gives up by itself."""
        self.come_online()
        while not await self._inbox.catch_up(session := await self._connection.up()):
            await self._connection.drop(session, "sync_failed")
        self.in_touch = True

    async def leave(self) -> None:
        """Close the connection with a goodbye at the end of the run."""
        await self._connection.stop()

    async def _drop(self, session: Session, reason: str) -> None:
        await self._connection.drop(session, reason)

    def _rejected(self, session: Session, rejection: TokenRejected) -> None:
        self._connection.rejected(session, rejection)


def _tokens(device: Device, account: Account, route: Route, world: World) -> Tokens:
    return Tokens(
        device,
        lambda: world.driver.login(account, device, route.endpoint),
        world.recorder,
        link=route.auth_link or route.link,
        key=world.key,
        rng=world.rng("tokens", device),
        spawn=world.spawn,
        habits=world.habits,
        gate=world.gate,
    )
