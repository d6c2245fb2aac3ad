"""Thousands of people who write to each other, on one timetable for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.core.seeds import Seed
from harness.drivers.api import Device, Outgoing, Person
from harness.swarm.agent import Agent
from harness.swarm.config import Crowd
from harness.swarm.crowd_groups import CrowdGroups, blocks
from harness.swarm.generator import Generator
from harness.swarm.pauses import Pauses
from harness.swarm.timetable import Means

DEVICE = "phone"

Kind = Literal["direct", "group", "hot"]


@dataclass(frozen=True, slots=True)
class Line:
    """What one of the crowd (counted from 0) writes, due so many seconds after the beginning."""

    due_s: float
    number: int
    sender: int
    body: str
    kind: Kind = "direct"


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

    Leaving out the lines of those who are not online leaves each of the others at their own rate. The messages to the
    hot group are those of the first part of the crowd, where its writers are.
    """
    rng = seed.rng("crowd", str(crowd.first))
    rates = rates_of(crowd)
    total = sum(rates.values())
    if not total:  # everything goes to the hot group, whose writers are elsewhere
        return
    hot = rates["hot"] / total
    grouped = hot + rates["group"] / total
    due_s, number = 0.0, 0
    while True:
        due_s += rng.expovariate(total)
        number += 1
        sender, sentence = rng.randrange(crowd.people), rng.choice(sentences)
        kind: Kind = "direct"
        if grouped:
            draw = rng.random()
            kind = "hot" if draw < hot else "group" if draw < grouped else "direct"
        if kind == "hot":
            sender %= crowd.mix.hot_writers
        yield Line(due_s, number, sender, f"{sentence} ({crowd.first}.{number})", kind)


def rates_of(crowd: Crowd) -> dict[Kind, float]:
    """Return how many messages a second of each kind a part of a crowd writes when all are online."""
    mix, first = crowd.mix, crowd.first == 1
    whole = crowd.rate_per_s * max(crowd.everybody, crowd.people) / crowd.people
    group = crowd.rate_per_s * mix.group
    direct = crowd.rate_per_s * max(0.0, 1.0 - mix.group - mix.hot)
    return {"direct": direct, "group": group, "hot": whole * mix.hot if first else 0.0}


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
        self._groups = CrowdGroups(agents, means)
        self._pauses = Pauses(crowd, agents, means.seed, lambda: self._online)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Who writes to whom."""
        return [(agent.device.person, other) for agent, other in zip(self._agents, self._others, strict=True)]

    async def prepare(self) -> None:
        """Make the small groups; raises ``EnvironmentFault`` when the service will not."""
        if self._crowd.mix.group:
            await self._groups.make(blocks(len(self._agents), self._crowd.mix.group_size))

    async def open(self) -> None:
        """Make the large group, whose members other processes may play; raises as ``prepare`` does."""
        mix = self._crowd.mix
        if mix.hot and self._crowd.first == 1:
            await self._groups.make_hot([name_of(number) for number in range(1, mix.hot_members + 1)])

    async def resize(self, online: int) -> None:
        """Have the first ``online`` people online and no others; those who go say goodbye."""
        before, self._online = self._online, online
        for index in range(before, online):
            if index not in self._pauses.away:
                self._agents[index].come_online()
        await asyncio.gather(*(agent.go_offline() for agent in self._agents[online:before]))

    async def play(self) -> None:
        """Write until cancelled."""
        plan = lines(self._crowd, seed=self._means.seed, sentences=self._means.sentences)
        await Generator(plan, self._post, clock=self._means.clock, lag=self._means.lag).play()

    async def pause(self) -> None:
        """Let people leave and come back until cancelled."""
        await self._pauses.play()

    def _post(self, line: Line, due_ns: int) -> None:
        if line.sender >= self._online or line.sender in self._pauses.away:
            return
        agent = self._agents[line.sender]
        conversation, recipient = self._addressed(line)
        message = Outgoing(
            client_message_id=f"{agent.device.person}-{line.number:06d}-{self._means.salt}",
            conversation_id=conversation,
            recipient=recipient,
            body=line.body,
            client_time_ns=agent.clock.wall_ns(),
        )
        agent.outbox.submit(message, intended_ns=due_ns)

    def _addressed(self, line: Line) -> tuple[str, str | None]:
        match line.kind:
            case "direct":
                return self._conversations[line.sender], self._others[line.sender]
            case "group":
                return self._groups.of(line.sender), None
            case "hot":
                return self._groups.hot, None
