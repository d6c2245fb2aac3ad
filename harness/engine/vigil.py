"""Whether all that was started for a run still runs: what died unasked spoils what comes after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from harness.core.errors import EnvironmentFault
from harness.core.results import Reason
from harness.core.verdicts import Verdict
from harness.proxy.api import ProxyUnavailable
from harness.stacks.api import ServiceState, Stack
from harness.stacks.guard import Aborted
from harness.stacks.logs import last_lines
from harness.swarm.control import SwarmClient


class Died(EnvironmentFault):
    """A service or a simulator ended although no fault had asked it to; ``code`` is that of the run's reason."""

    def __init__(self, code: str, what: str, *, hint: str) -> None:
        super().__init__(what, hint=hint)
        self.code = code


async def all_alive(stack: Stack, *, besides: Collection[str] = ()) -> None:
    """Raise ``Died`` with the last log lines of the first part that does not run, ``ProxyUnavailable`` for a proxy.

    ``besides`` are parts that a fault took down and could not bring back, which is told elsewhere.
    """
    for name in (*stack.spec.services, *stack.spec.providers):
        if name in besides:
            continue
        try:
            state = await stack.state(name)
        except KeyError:  # another launcher's, or a simulator that is not ours to run
            continue
        if not state.running:
            raise _died(stack, name, state)
    for link in stack.links():
        await stack.link(link).state()


@asynccontextmanager
async def vigil(stack: Stack, besides: Callable[[], Collection[str]]) -> AsyncIterator[None]:
    """Look after the block, also when it failed: what has died is the better reason."""
    try:
        yield
    except (EnvironmentFault, ProxyUnavailable) as problem:
        if not isinstance(problem, Aborted):
            await all_alive(stack, besides=besides())
        raise
    await all_alive(stack, besides=besides())


async def unless_lost(swarm: SwarmClient, play: Coroutine[Any, Any, None]) -> None:
    """Play on as long as there are people; raises ``EnvironmentFault`` at once when their process has ended."""
    playing, lost = asyncio.ensure_future(play), asyncio.ensure_future(swarm.lost.wait())
    try:
        await asyncio.wait({playing, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            playing.cancel("the people are gone")
            await asyncio.wait({playing})
            raise swarm.why_lost()
        await playing
    finally:
        playing.cancel()
        lost.cancel()
        await asyncio.gather(playing, lost, return_exceptions=True)


def reason_of(problem: Exception) -> Reason:
    """Return what went wrong in the environment as a reason of the run's result."""
    code = "aborted" if isinstance(problem, Aborted) else "environment"
    return Reason(code=problem.code if isinstance(problem, Died) else code, text=str(problem), verdict=Verdict.ERROR)


def _died(stack: Stack, name: str, state: ServiceState) -> Died:
    provider = stack.spec.providers.get(name)
    what = f"service {name}" if provider is None else f"provider {name} ({provider})"
    told = f"{what} of stack {stack.spec.name} ended with status {state.exit_status} in the middle of the run, "
    return Died(
        "service_died" if provider is None else "provider_died",
        f"{told}and no fault had asked it to; {last_lines(_log(stack.logs, name))}",
        hint="mend what its log names; if something else on this machine ends processes, find that, and run again",
    )


def _log(logs: Path, name: str) -> Path:
    """The log of a service; of several replicas the one that wrote last, which is the one that said why."""
    own = logs / f"{name}.log"
    replicas = [] if own.is_file() else list(logs.glob(f"{name}.*.log"))
    return max(replicas, key=lambda log: log.stat().st_mtime_ns, default=own)
