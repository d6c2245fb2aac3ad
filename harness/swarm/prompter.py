"""What a test tells single people to do, one thing at a time, and what came of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.core.events import Event
from harness.drivers.api import Driver, Introductions, Outgoing
from harness.history.recorder import Recorder
from harness.swarm.agent import Agent


@dataclass(frozen=True, slots=True)
class _Wait:
    """Somebody waits for one of some events of a message, seen by a person or device if ``by`` names one."""

    message: str
    events: Collection[str]
    by: str | None
    seen: asyncio.Event

    def matches(self, message: str, event: str, device: str | None) -> bool:
        return (
            message == self.message
            and event in self.events
            and (self.by is None or (device is not None and self.by in {device, device.partition("/")[0]}))
        )


class Prompter:
    """Lets people say and do things outside any workload, and tells when a message got somewhere."""

    def __init__(
        self, agents: Mapping[str, Agent], driver: Driver, recorder: Recorder, *, salt: str, clock: Clock
    ) -> None:
        self._agents = agents
        self._driver = driver
        self._salt = salt
        self._clock = clock
        self._numbers = itertools.count(1)
        self._sightings: dict[str, list[tuple[str, str | None]]] = {}
        self._names: dict[str, str] = {}
        self._waits: list[_Wait] = []
        recorder.subscribe(self._see)

    async def say(self, device: str, to: str, body: str) -> str:
        """Put one message into a device's outbox; return the id by which it is known."""
        agent = self._agent(device)
        if isinstance(self._driver, Introductions):
            await self._driver.introduce([(agent.device.person, to)])
        message = f"{agent.device.person}-said-{next(self._numbers):05d}-{self._salt}"
        self._sightings[message] = []
        outgoing = Outgoing(
            client_message_id=message,
            conversation_id=self._driver.direct_conversation(agent.device.person, to),
            recipient=to,
            body=body,
            client_time_ns=agent.clock.wall_ns(),
        )
        agent.outbox.submit(outgoing, intended_ns=self._clock.mono_ns())
        return message

    async def sighted(self, message: str, events: Collection[str], by: str | None, within_s: float) -> bool:
        """Wait until one of these events of a message has been recorded; False when it has not in time."""
        if message not in self._sightings:
            raise UsageError(f"nobody was told to say {message!r}")
        wait = _Wait(message, events, by, asyncio.Event())
        if any(wait.matches(message, *sighting) for sighting in self._sightings[message]):
            return True
        self._waits.append(wait)
        try:
            async with asyncio.timeout(within_s):
                await wait.seen.wait()
        except TimeoutError:
            return False
        finally:
            self._waits.remove(wait)
        return True

    async def leave(self, device: str) -> None:
        """Let a device go offline on purpose."""
        await self._agent(device).go_offline()

    def come_back(self, device: str) -> None:
        """Let a device connect again."""
        self._agent(device).come_online()

    def _agent(self, device: str) -> Agent:
        if device not in self._agents:
            raise UsageError(f"nobody has a device {device!r}", hint=f"devices: {', '.join(self._agents)}")
        return self._agents[device]

    def _see(self, fact: Event) -> None:
        if not self._sightings:
            return
        message = fact.client_message_id or self._names.get(fact.message_id or "")
        if message is None or message not in self._sightings:
            return
        if fact.message_id is not None:
            self._names[fact.message_id] = message
        self._sightings[message].append((fact.event, fact.device))
        for wait in self._waits:
            if wait.matches(message, fact.event, fact.device):
                wait.seen.set()
