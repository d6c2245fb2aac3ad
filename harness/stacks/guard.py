"""When a run against a system that outlives it is given up: the conditions of the stack file, watched all the time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from harness.core.errors import EnvironmentFault, cause_of
from harness.core.stack import AbortRules

LOOK_EVERY_S = 0.5
HINT = "what was in force has been taken back; the conditions stand under `abort:` in the stack file"

Look = Callable[[], Awaitable[str]]
"""Return what is wrong, as a phrase; empty when all is well."""


class Aborted(EnvironmentFault):
    """A run was given up, because an abort condition of its stack file was met."""

    def __init__(self, why: str, *, hint: str = HINT) -> None:
        super().__init__(f"aborted: {why}", hint=hint)


@asynccontextmanager
async def guarded(rules: AbortRules, *, proxies: Look, health: Look) -> AsyncIterator[None]:
    """Interrupt the block by ``Aborted`` as soon as a condition is met.

    What the block was doing is cancelled first, so that it can take back what it did. ``proxies`` tells what the proxy
    server lacks and raises ``Aborted`` itself for what no waiting mends; ``health`` asks the services past every proxy.
    """
    watches = [
        *([] if rules.after_s is None else [_limit(rules.after_s)]),
        *([] if rules.proxy_silent_for_s is None else [_bounded(proxies, rules.proxy_silent_for_s)]),
        *([] if rules.unhealthy_for_s is None else [_bounded(health, rules.unhealthy_for_s)]),
    ]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(watch, name="abort conditions") for watch in watches]
            yield
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as failed:
        raise cause_of(failed) from None


async def _limit(after_s: float) -> None:
    await asyncio.sleep(after_s)
    raise Aborted(f"the time limit of {after_s:g} s is over")


async def _bounded(look: Look, longest_s: float) -> None:
    """Look again and again; what is wrong all the time for longer than that ends it."""
    clock = asyncio.get_running_loop().time
    well = clock()
    while True:
        if wrong := await look():
            if clock() - well > longest_s:
                raise Aborted(f"{wrong}, for {clock() - well:.1f} s now")
        else:
            well = clock()
        await asyncio.sleep(LOOK_EVERY_S)
