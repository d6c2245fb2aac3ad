"""Commanding a service of which several replicas run: one control port each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from harness.core.errors import ControlUnavailable
from harness.stacks.api import Limits, ServiceControl

T = TypeVar("T")

AGREE_WITHIN_S = 2.0
"""A moved clock is seen by one process a little earlier than by another."""
LOOK_EVERY_S = 0.05
SAME_NS = 500_000_000


class ReplicatedControl:
    """The control ports of all replicas as one (``harness.stacks.api.ServiceControl``).

    What every replica keeps for itself is told to each of them; what they share (tokens) to the first that answers.
    """

    def __init__(self, replicas: Sequence[ServiceControl]) -> None:
        self._replicas = replicas

    async def limits(self) -> Limits:
        """Read the rate limits in force; raises ``ControlUnavailable`` when the replicas differ."""
        found = await asyncio.gather(*(replica.limits() for replica in self._replicas))
        if any(one != found[0] for one in found):
            raise ControlUnavailable(f"the replicas have different limits: {', '.join(map(str, found))}")
        return found[0]

    async def set_limits(self, limits: Limits) -> None:
        """Change the rate limits of every replica while they run."""
        await asyncio.gather(*(replica.set_limits(limits) for replica in self._replicas))

    async def valid_tokens(self, person: str) -> int:
        """Count the person's access tokens that are good now."""
        return await self._first(lambda replica: replica.valid_tokens(person))

    async def expire_tokens(self, person: str) -> int:
        """Let the person's access tokens expire now; refresh tokens stay good. Returns how many expired."""
        return await self._first(lambda replica: replica.expire_tokens(person))

    async def revoke_tokens(self, person: str) -> int:
        """Revoke the person's access and refresh tokens: only a new login helps. Returns how many."""
        return await self._first(lambda replica: replica.revoke_tokens(person))

    async def wall_ns(self) -> int:
        """The replicas' wall clock, once they agree on it to half a second."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + AGREE_WITHIN_S
        while True:
            found = await asyncio.gather(*(replica.wall_ns() for replica in self._replicas))
            if max(found) - min(found) < SAME_NS:
                return found[0]
            if loop.time() >= deadline:
                raise ControlUnavailable("the replicas' clocks differ")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _first(self, command: Callable[[ServiceControl], Awaitable[T]]) -> T:
        *others, last = self._replicas
        for replica in others:
            try:
                return await command(replica)
            except ControlUnavailable:
                continue
        return await command(last)
