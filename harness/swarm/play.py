"""The people of one run and what they can be told to do."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from harness.core.clock import SystemClock
from harness.core.digests import canary
from harness.core.errors import EnvironmentFault, UsageError
from harness.core.events import Phase
from harness.core.seeds import Seed
from harness.drivers.api import Account, Delivered, Device, Driver, Introductions, Person, Pings
from harness.drivers.habits import Unhurried
from harness.drivers.naive import habits
from harness.drivers.registry import PROGRAMS, driver
from harness.drivers.renaming import RenamingDriver
from harness.drivers.stdio.options import command
from harness.drivers.stdio.program import Listening
from harness.drivers.tokens import OPEN, Spawn
from harness.history.recorder import Recorder
from harness.swarm.agent import Agent
from harness.swarm.client_agent import Cast, ClientAgent
from harness.swarm.clocks import DeviceClock
from harness.swarm.config import SwarmConfig
from harness.swarm.crowd import CrowdPlay, people_of
from harness.swarm.device import DeviceAgent, World
from harness.swarm.following import follow_all
from harness.swarm.generator import Lag
from harness.swarm.guests import Guests, heard
from harness.swarm.oracle import Oracle
from harness.swarm.people import make_people
from harness.swarm.prompter import Prompter
from harness.swarm.push_tokens import register_push_tokens
from harness.swarm.tally import Tally
from harness.swarm.timetable import Means, Timetable
from harness.swarm.turnstile import Turnstile
from harness.swarm.watches import Fired, Watches
from harness.workloads.bodies import sentences

Told = Callable[[dict[str, Any]], None]
"""Called each second with what ``Tally`` has counted, and with each message that reaches a guest."""

SALT_LENGTH = 6
DIALS_AT_ONCE = 64
DIALS_PER_S = 300
"""Logins and handshakes of a crowd, in one process: more would all take longer, and hold up whoever has a message to
send. When thousands are cut off, refused dials alone would take a whole core."""
PINGS_PER_S = 100
"""Pings of a crowd, all together: with one a second each they would cost as much as its messages."""
BEAT_S = 1.0
GOODBYE_LIMIT_S = 3.0


class Swarm:
    """Plays the people of one run; each public method is a command of the engine."""

    def __init__(self, config: SwarmConfig, *, spawn: Spawn, fired: Fired, told: Told) -> None:
        self._config = config
        self._spawn = spawn
        self._key = bytes.fromhex(config.key)
        self._seed = Seed(config.seed)
        self._clock = SystemClock()
        self._lag = Lag()
        self._watches = Watches(fired)
        self._driver = _driver(config)
        self._habits = Unhurried() if config.many and not config.defects else habits(config.defects)
        self._accounts: dict[str, Account] = {}
        self._agents: dict[str, Agent] = {}
        self._crowd: CrowdPlay | None = None
        self._tally = Tally(self._clock)
        self._told = told
        self._timetable: Timetable | None = None
        self._sending: list[asyncio.Task[None]] = []
        self._moving: list[asyncio.Task[None]] = []
        self.recorder = Recorder(config.events, run=config.run, role="swarm", observer="client", clock=self._clock)
        self.recorder.subscribe(self._watches.see)
        if config.many:
            self.recorder.subscribe(self._tally.see)
        self.prompter = Prompter(self._agents, self._driver, self.recorder, salt=self._salt(), clock=self._clock)
        self._world = self._make_world()
        self.guests = Guests(self._admit_guest, self._driver, self.recorder, salt=self._salt(), clock=self._clock)
        self._beating = spawn(self._beat())

    async def provision(self, within_s: float) -> None:
        """Make people, accounts and groups and connect every device but those of the crowd.

        Raises ``EnvironmentFault``, which names the devices that are not connected in time.
        """
        self.recorder.phase = self.recorder.phase or "provision"
        try:
            async with asyncio.timeout(within_s):
                await self._make_agents()
                await self._all_in_touch()
                await self._prepare()
        except TimeoutError:
            raise EnvironmentFault(
                self._not_connected(within_s), hint="see the service's log in the run folder"
            ) from None

    async def _make_agents(self) -> None:
        config = self._config
        people = make_people(config.people, self._seed)
        crowd = people_of(config.crowd) if config.crowd else []
        self._accounts.update(await self._driver.provision([*people, *crowd], config.direct))
        self._admit(people)
        if config.crowd:
            before = len(self._agents)
            self._admit(crowd)
            self._crowd = CrowdPlay(config.crowd, list(self._agents.values())[before:], self._means())

    def _make_world(self) -> World:
        """What all devices share."""
        config = self._config
        return World(
            self._driver,
            self.recorder,
            self._seed,
            self._key,
            self._clock,
            self._spawn,
            self._habits,
            Turnstile(at_once=DIALS_AT_ONCE, per_s=DIALS_PER_S) if config.many else OPEN,
            self._heard if config.guests else None,
        )

    def _heard(self, device: Device, item: Delivered) -> None:
        self._told({"heard": heard(device, item)})

    async def _admit_guest(self, person: Person) -> Agent:
        """Give somebody who comes in the middle of the run an account and their devices."""
        self._accounts.update(await self._driver.provision([person], self._config.direct))
        self._admit([person])
        return self._agents[person.devices[0].id]

    def _admit(self, people: Sequence[Person]) -> None:
        """Give people their devices."""
        config, world = self._config, self._world
        cast = self._cast() if config.driver in PROGRAMS else None
        for person in people:
            for device in person.devices:
                account, route = self._accounts[person.name], config.route(device.id)
                self._agents[device.id] = (
                    DeviceAgent(device, account, route, world) if cast is None else ClientAgent(device, route, cast)
                )

    def _cast(self) -> Cast:
        """What devices that are programs of the user's share."""
        return Cast(
            command(self._config.driver_options),
            self._accounts,
            self.recorder,
            Listening(),
            self._key,
            self._clock,
            self._spawn,
            self._config.events.parent / "logs",
        )

    async def _prepare(self) -> None:
        """What takes a session: push tokens and groups."""
        pushed = {person.name for person in self._config.people if person.push}
        agents = [agent for agent in self._agents.values() if agent.device.person in pushed]
        await register_push_tokens(agents, self.recorder, seed=self._seed, salt=self._salt(), key=self._key)
        self._timetable = Timetable(self._config.workloads, self._agents, self._means())
        await self._timetable.prepare()
        if self._crowd:
            if isinstance(self._driver, Introductions):
                await self._driver.introduce(self._crowd.pairs)
            await self._crowd.prepare()

    def _means(self) -> Means:
        return Means(
            driver=self._driver,
            recorder=self.recorder,
            seed=self._seed,
            salt=self._salt(),
            sentences=sentences(self._seed, canary=canary(self._key)),
            clock=self._clock,
            lag=self._lag,
            key=self._key,
        )

    def _salt(self) -> str:
        return hashlib.sha256(self._config.run.encode()).hexdigest()[:SALT_LENGTH]

    async def _all_in_touch(self) -> None:
        for agent in self._named():
            agent.come_online()
        async with asyncio.TaskGroup() as waits:
            for agent in self._named():
                waits.create_task(agent.follow_to_end())

    def _named(self) -> list[Agent]:
        """The devices of people whom the scenario names."""
        names = {person.name for person in self._config.people}
        return [agent for agent in self._agents.values() if agent.device.person in names]

    def _not_connected(self, within_s: float) -> str:
        missing = [f"{agent.device.id} ({agent.last_error})" for agent in self._named() if not agent.in_touch]
        whom = ", ".join(missing) or "the accounts, push tokens or groups of the people"
        return f"not connected and synced within {within_s:g} s: {whom}"

    @property
    def _plan(self) -> Timetable:
        if self._timetable is None:
            raise UsageError("the people are not there yet")
        return self._timetable

    async def begin(self) -> None:
        """Start the workloads that send; raises ``EnvironmentFault`` when what they need cannot be made."""
        if self._crowd:
            await self._crowd.open()
        self._sending = [self._spawn(play) for play in self._plan.sending()]
        if self._crowd:
            self._sending += [self._spawn(self._crowd.play()), self._spawn(self._crowd.pause())]

    async def resize(self, online: int) -> None:
        """Have so many of the crowd online."""
        if self._crowd is None:
            raise UsageError("there is no crowd to come and go")
        await self._crowd.resize(online)

    def enter(self, phase: Phase) -> None:
        """Stamp what is recorded from now on with ``phase``; inject starts absences and changes of membership."""
        self.recorder.phase = phase
        if phase == "inject":
            self._moving = [self._spawn(play) for play in self._plan.moving()]

    def watch(self, watch: str, *, event: str, of: str | None, nth: int, each: bool = False) -> None:
        """Call ``fired`` at the nth such event, counted from now, or at each until ``unwatch``."""
        self._watches.add(watch, event=event, of=of, nth=nth, each=each)

    def unwatch(self, watch: str) -> None:
        """Call ``fired`` no more for a watch."""
        self._watches.remove(watch)

    def clock(self, device: str) -> DeviceClock:
        """Return the clock of one device; raises ``UsageError`` where nobody has it."""
        if device not in self._agents:
            raise UsageError(f"nobody has the device {device!r}", hint="devices are written person/device")
        return self._agents[device].clock

    def quiesce(self) -> None:
        """Let nobody write anything new; what is in the outboxes goes on."""
        for task in self._sending:
            task.cancel()

    async def final(self, within_s: float) -> dict[str, int | list[str]]:
        """Give up what is unsettled, bring everybody back and let each device follow its cursor to the end."""
        self.quiesce()
        self._stop_moving()
        for agent in self._agents.values():
            agent.outbox.give_up()
        return await follow_all(self._agents, within_s)

    def _stop_moving(self) -> None:
        for task in self._moving:
            task.cancel()

    async def oracle(self, within_s: float) -> dict[str, int | bool]:
        """Read everybody's archive past every proxy and record it as the truth; says whether it was complete.

        A crowd leaves before: what it has just fetched it would go on confirming for minutes, and the reading waits.
        """
        if self._config.many:
            await self._say_goodbye()
        oracle = Oracle(self._driver, self._config.direct, self.recorder, self._key)
        reading = await oracle.read(self._accounts.values(), within_s)
        return {"complete": reading.complete, "messages": reading.messages}

    def status(self) -> dict[str, int | float]:
        """How much is under way, and how late messages left in the last second (milliseconds)."""
        outboxes = [agent.outbox for agent in self._agents.values()]
        return {
            "pending": sum(outbox.pending for outbox in outboxes),
            "in_flight": sum(outbox.in_flight for outbox in outboxes),
            "lag_ms": self._lag.worst_ms,
        }

    async def _beat(self) -> None:
        """Write the signs of life once a second: that this writer lives, and how late messages left."""
        while True:
            await asyncio.sleep(BEAT_S)
            self.recorder.beat()
            if self._sending:
                self.recorder.record("generator_lag", detail=self._lag.take())
            if counted := self._tally.take():
                self._told({"counted": counted})

    async def stop(self) -> None:
        """End in order: everybody says goodbye, and the history gets its last word."""
        self.quiesce()
        self._stop_moving()
        for agent in self._agents.values():
            agent.outbox.give_up()
        await self._say_goodbye()
        self._beating.cancel()
        self.recorder.close()

    async def _say_goodbye(self) -> None:
        goodbyes = [asyncio.create_task(agent.leave()) for agent in self._agents.values()]
        if goodbyes:
            await asyncio.wait(goodbyes, timeout=GOODBYE_LIMIT_S)


def _driver(config: SwarmConfig) -> Driver:
    made = driver(config.driver, config.driver_options)
    if config.crowd and isinstance(made, Pings):
        made.ping_every(max(1.0, config.crowd.people / PINGS_PER_S))
    return RenamingDriver(made, config.suffix) if config.suffix else made
