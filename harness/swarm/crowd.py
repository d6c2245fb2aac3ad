"""Thousands of people who write to each other in pairs, on one timetable for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.core.seeds import Seed
from harness.drivers.api import Device, Outgoing, Person
from harness.swarm.agent import Agent
from harness.swarm.config import Crowd
from harness.swarm.generator import Generator
from harness.swarm.timetable import Means

DEVICE = "phone"


@dataclass(frozen=True, slots=True)
class Line:
    """What one of the crowd (counted from 0) writes, due so many seconds after the beginning."""

    due_s: float
    number: int
    sender: int
    body: str


def name_of(number: int) -> str:
    """Return the name of one of the crowd; numbers count from 1."""
    return f"p{number:04d}"


def people_of(crowd: Crowd) -> list[Person]:
    """Return the people, whose names are their display names: nobody looks at thousands of made-up ones."""
    names = [name_of(crowd.first + index) for index in range(crowd.people)]
    return [Person(name, name, (Device(f"{name}/{DEVICE}", name, "android", "1.0.0"),)) for name in names]


def other_of(index: int, people: int) -> int:
    """Return who the pair of somebody is; the last of an odd number writes to the first."""
    other = index ^ 1
    return other if other < people else 0


def lines(crowd: Crowd, *, seed: Seed, sentences: Sequence[str]) -> Iterator[Line]:
    """Yield what is due when all are online, without end; gaps are exponential and any sender is as likely.

    Leaving out the lines of those who are not online leaves each of the others at their own rate.
    """
    rng = seed.rng("crowd", str(crowd.first))
    due_s, number = 0.0, 0
    while True:
        due_s += rng.expovariate(crowd.rate_per_s)
        number += 1
        yield Line(due_s, number, rng.randrange(crowd.people), f"{rng.choice(sentences)} ({crowd.first}.{number})")


class CrowdPlay:
    """Brings the crowd online and offline, lowest numbers first, and lets those who are online write."""

    def __init__(self, crowd: Crowd, agents: Sequence[Agent], means: Means) -> None:
        self._crowd = crowd
        self._agents = agents
        self._means = means
        self._online = 0
        direct = means.driver.direct_conversation
        names = [agent.device.person for agent in agents]
        self._others = [names[other_of(index, len(names))] for index in range(len(names))]
        self._conversations = [direct(one, other) for one, other in zip(names, self._others, strict=True)]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Who writes to whom."""
        return [(agent.device.person, other) for agent, other in zip(self._agents, self._others, strict=True)]

    async def resize(self, online: int) -> None:
        """Have the first ``online`` people online and no others; those who go say goodbye."""
        before, self._online = self._online, online
        for agent in self._agents[before:online]:
            agent.come_online()
        await asyncio.gather(*(agent.go_offline() for agent in self._agents[online:before]))

    async def play(self) -> None:
        """Write until cancelled."""
        plan = lines(self._crowd, seed=self._means.seed, sentences=self._means.sentences)
        await Generator(plan, self._post, clock=self._means.clock, lag=self._means.lag).play()

    def _post(self, line: Line, due_ns: int) -> None:
        if line.sender >= self._online:
            return
        agent = self._agents[line.sender]
        message = Outgoing(
            client_message_id=f"{agent.device.person}-{line.number:06d}-{self._means.salt}",
            conversation_id=self._conversations[line.sender],
            recipient=self._others[line.sender],
            body=line.body,
            client_time_ns=agent.clock.wall_ns(),
        )
        agent.outbox.submit(message, intended_ns=due_ns)
