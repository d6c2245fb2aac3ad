"""Starts the swarm for a run and tells it who talks to whom over which link."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from harness.core.errors import EnvironmentFault
from harness.core.plan import LoadPlan, ScenarioPlan
from harness.core.stack import StackSpec
from harness.drivers.api import Endpoint
from harness.engine.folder import RunFolder
from harness.engine.options import PLAYERS
from harness.stacks.api import Processes, Stack
from harness.stacks.filling import fill
from harness.stacks.launchers import outlives_runs
from harness.swarm.config import EVERYBODY, Crowd, Route, SwarmConfig
from harness.swarm.control import ANSWER_LIMIT_S, LOADING_LIMIT_S, SwarmClient

CHAT, AUTH = "client->chat", "client->auth"
STOP_WITHIN_S = 5.0
SUFFIX_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Spawned:
    """The swarm's process, which has not been told anything yet."""

    swarm: SwarmClient
    pid: int


async def spawn_swarm(processes: Processes, folder: RunFolder, players: Sequence[str] = PLAYERS) -> Spawned:
    """Start the swarm's process under the watcher; it loads while the stack comes up.

    ``players`` is its module, with arguments: another one may play the people as long as it takes the same commands.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        pid = await processes.spawn(
            "swarm",
            [sys.executable, "-m", *players, "--control-fd", "{fd0}"],
            env=dict(os.environ),
            log=folder.logs / "swarm.log",
            pass_fds=[theirs.fileno()],
        )
    return Spawned(await SwarmClient.over(ours), pid)


@asynccontextmanager
async def playing(
    spawned: Spawned,
    processes: Processes,
    config: SwarmConfig,
    *,
    ready_s: float = LOADING_LIMIT_S,
    stop_s: float = ANSWER_LIMIT_S,
) -> AsyncIterator[SwarmClient]:
    """Tell the swarm who plays what; nobody is connected yet. Stopped cleanly at the end.

    Raises ``EnvironmentFault`` when it cannot play, is not ready within ``ready_s``, or has not ended in order
    within ``stop_s``.
    """
    await spawned.swarm.configure(config, ready_s)
    try:
        yield spawned.swarm
    except BaseException:
        # What the people recorded so far then ends in order, too; why it was given up is the news.
        with suppress(EnvironmentFault):
            await _stop(spawned, processes, stop_s)
        raise
    # Here it is the news: what could not be brought together is missing from the history.
    await _stop(spawned, processes, stop_s)


async def _stop(spawned: Spawned, processes: Processes, within_s: float) -> None:
    await spawned.swarm.stop(within_s)
    await processes.wait_exit(spawned.pid, STOP_WITHIN_S)


class SwarmTriggers:
    """Turns the nth event of a kind, as the swarm tells it, into something to wait for."""

    def __init__(self, swarm: SwarmClient) -> None:
        self._swarm = swarm
        self._ids = itertools.count()

    async def watch(self, event: str, *, of: str | None = None, nth: int = 1) -> asyncio.Event:
        """Return what is set once it has happened, counted from now."""
        fired = asyncio.Event()
        name = f"watch-{next(self._ids)}"
        await self._swarm.watch(name, event=event, of=of, nth=nth, fired=lambda _: fired.set())
        return fired


def configuration(plan: ScenarioPlan, stack: Stack, *, run: str, folder: RunFolder, seed: int, key: str) -> SwarmConfig:
    """Return all that the swarm needs to know."""
    spec = stack.spec
    named = sorted(plan.fault_people)
    return SwarmConfig(
        run=run,
        events=folder.events,
        key=key,
        seed=seed,
        people=plan.people,
        workloads=plan.workloads,
        client=plan.client,
        defects=plan.defects,
        driver=spec.driver,
        driver_options=_driver_options(stack),
        endpoints={EVERYBODY: route(stack, None), **{person: route(stack, person) for person in named}},
        suffix=_suffix(run) if outlives_runs(stack.launcher, spec) else "",
        crowd=None if plan.crowd is None else _crowd(plan.crowd),
        direct=straight(stack),
    )


def _crowd(load: LoadPlan) -> Crowd:
    return Crowd(load.people, load.rate_per_s, shape=load.shape, mix=load.mix, everybody=load.people)


def straight(stack: Stack) -> Endpoint:
    """Return the way to the service past every proxy."""
    return Endpoint(stack.direct_url(_service(stack.spec, CHAT)), stack.direct_url(_service(stack.spec, AUTH)))


def _driver_options(stack: Stack) -> dict[str, str]:
    """The driver's options, with what is known only now: parameters, and where services reach each other."""
    spec = stack.spec
    known = {f"parameters.{name}": value for name, value in spec.parameters.items()}
    known |= {f"link.{name}": "" for name in spec.absent}
    known |= {f"link.{name}": stack.url(name).removeprefix("http://") for name in stack.links()}
    where = f"stack {spec.name}, driver"
    return {key: fill(text, known, environment=os.environ, where=where) for key, text in spec.driver_options.items()}


def _suffix(run: str) -> str:
    """Tell the people of one run from those of others who have accounts on the same service."""
    return f"-{hashlib.sha256(run.encode()).hexdigest()[:SUFFIX_LENGTH]}"


def route(stack: Stack, whose: str | None) -> Route:
    """Return how a person or device (None: everybody else) gets to the service."""
    chat, auth = (_edge(stack, link, whose) for link in (CHAT, AUTH))
    return Route(chat=stack.url(chat), auth=stack.url(auth), link=chat, auth_link=auth)


def _edge(stack: Stack, link: str, whose: str | None) -> str:
    """The own edge of a device, else of its person, where one has been made; else the one that all share."""
    owners = [] if whose is None else [whose, whose.partition("/")[0]]
    own = [link.replace("client", f"client:{owner}", 1) for owner in owners]
    return next((name for name in (*own, link) if name in stack.links()), CHAT)


def _service(spec: StackSpec, link: str) -> str:
    return spec.links[link if link in spec.links else CHAT].service
