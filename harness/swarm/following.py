"""The last phase: every device fetches what it has missed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from harness.swarm.agent import Agent

AT_ONCE = 64
"""Devices that fetch at the same time; of thousands at once each would wait for all others."""


async def follow_all(agents: Mapping[str, Agent], within_s: float) -> dict[str, int | list[str]]:
    """Let each device follow its cursor to the end, and tell how many did and which did not ``within_s``."""
    some = asyncio.Semaphore(AT_ONCE)

    async def follow(agent: Agent) -> None:
        async with some:
            await agent.follow_to_end()

    follows = {name: asyncio.create_task(follow(agent)) for name, agent in agents.items()}
    if follows:
        await asyncio.wait(follows.values(), timeout=within_s)
    missing = [name for name, task in follows.items() if not task.done()]
    for name in missing:
        follows[name].cancel()
    await asyncio.gather(*(follows[name] for name in follows if name not in missing))
    return {"devices": len(follows), "synced": len(follows) - len(missing), "missing": missing}
