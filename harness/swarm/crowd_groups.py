"""The groups of a crowd: small ones, in one of which everybody is, and a large one of thousands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from harness.core.errors import UsageError
from harness.core.plan import GroupWorkload
from harness.swarm.agent import Agent
from harness.swarm.groups import GroupChat
from harness.swarm.timetable import Means

ANYBODY = "reference"
"""The driver whose service puts people into a group without their doing, whoever plays them."""


def blocks(people: int, size: int) -> list[range]:
    """Divide so many people into groups of ``size``; the last has who is left, but one person alone is no group."""
    starts = list(range(0, people, size))
    if len(starts) > 1 and people - starts[-1] == 1:
        starts.pop()
    return [range(start, end) for start, end in pairwise([*starts, people])]


class CrowdGroups:
    """Makes groups and knows in which one somebody is, counted from 0."""

    def __init__(self, agents: Sequence[Agent], means: Means) -> None:
        self._agents = agents
        self._means = means
        self._conversations: list[str] = []
        self.hot = ""

    def of(self, index: int) -> str:
        """Return the conversation of somebody's small group."""
        return self._conversations[index]

    async def make(self, groups: Sequence[range]) -> None:
        """Make the small groups; whoever makes one is online for that.

        Raises ``EnvironmentFault`` when the service will not.
        """
        found = await asyncio.gather(*(self._made(members) for members in groups))
        self._conversations = [made for made, members in zip(found, groups, strict=True) for _ in members]

    async def _made(self, members: range) -> str:
        agent = self._agents[members[0]]
        agent.come_online()
        made = await self._create([self._agents[each].device.person for each in members])
        await agent.go_offline()
        return made

    async def make_hot(self, members: Sequence[str]) -> None:
        """Make the large group; raises ``EnvironmentFault`` when the service will not.

        Raises ``UsageError`` when other processes play some of its members and would have to have them join.
        """
        if len(members) > len(self._agents) and self._means.driver.kind != ANYBODY:
            raise UsageError(
                f"a group of {len(members)} people cannot be shared by several processes on this stack",
                hint="play all of them by one: --swarms 1, or make the hot group smaller",
            )
        self._agents[0].come_online()
        self.hot = await self._create(members)

    async def _create(self, members: Sequence[str]) -> str:
        own = {agent.device.person: agent for agent in self._agents}
        chat = GroupChat(GroupWorkload(tuple(members), 1.0), own, self._means.recorder, index=0, salt=self._means.salt)
        await chat.create()
        return chat.conversation
