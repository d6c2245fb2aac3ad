"""People of a crowd who leave for a while and come back, so that at any time a share of them is away."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence

from harness.core.seeds import Seed
from harness.swarm.agent import Agent
from harness.swarm.config import Crowd

Moment = tuple[float, int]
"""When, in seconds after the beginning, somebody (counted from 0) leaves or comes back."""


class Pauses:
    """Has each person leave once in a cycle, at a moment of their own; whoever is not online yet does not.

    ``online`` tells how many are to be online: somebody who went home meanwhile does not come back from a pause.
    """

    def __init__(self, crowd: Crowd, agents: Sequence[Agent], seed: Seed, online: Callable[[], int]) -> None:
        self._mix = crowd.mix
        self._agents = agents
        self._rng = seed.rng("away", str(crowd.first))
        self._online = online
        self.away: set[int] = set()

    async def play(self) -> None:
        """Let people leave and come back until cancelled."""
        if not self._mix.away:
            return
        cycle_s = self._mix.away_for_s / self._mix.away
        moments: list[Moment] = [(self._rng.uniform(0.0, cycle_s), index) for index in range(len(self._agents))]
        heapq.heapify(moments)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        async with asyncio.TaskGroup() as leaving:
            while True:
                at_s, index = moments[0]
                await asyncio.sleep(max(0.0, began_s + at_s - loop.time()))
                if index in self.away:
                    self._back(index)
                    lasts_s = cycle_s - self._mix.away_for_s
                else:
                    self.away.add(index)
                    leaving.create_task(self._leave(index))  # a goodbye may take its time
                    lasts_s = self._mix.away_for_s
                heapq.heapreplace(moments, (at_s + lasts_s, index))

    async def _leave(self, index: int) -> None:
        if index < self._online():
            await self._agents[index].go_offline()

    def _back(self, index: int) -> None:
        self.away.discard(index)
        if index < self._online():
            self._agents[index].come_online()
