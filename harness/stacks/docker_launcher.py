"""The docker launcher: services as containers on networks of their own, behind a proxy server in a container."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from harness.core.clock import Clock, SystemClock
from harness.core.errors import EnvironmentFault, cause_of
from harness.core.stack import DockerService
from harness.stacks import docker_client, docker_labels, docker_reaper
from harness.stacks.api import Order, Stack
from harness.stacks.docker_calls import Calls
from harness.stacks.docker_containers import Containers
from harness.stacks.docker_engine import Engine, EngineTrouble
from harness.stacks.docker_images import image_of
from harness.stacks.docker_instances import OFFSET, Image, Instance, Maker
from harness.stacks.docker_plan import LAUNCHER, Plan, plan_of
from harness.stacks.docker_proxy import addresses, connected, container_for, make_links, proxy_instance
from harness.stacks.docker_stack import DockerStack, Ways
from harness.stacks.docker_topology import PROXY, topology
from harness.stacks.faketime import MovableClock
from harness.stacks.forms import waves
from harness.stacks.ports import LOOPBACK, Ports

SWEEP_WITHIN_S = 20.0
PYTHON = "python3"
OWN_IMAGE = "docker/chat"
"""The package itself: simulators of providers run in it, and the keepers of disks."""
DISK = "disk"


class DockerLauncher:
    """Runs a stack's services as containers of an engine of this host."""

    name = LAUNCHER

    def __init__(self, *, clock: Clock | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._clock = clock or SystemClock()
        self._environment = os.environ if environment is None else environment

    @asynccontextmanager
    async def launch(self, order: Order) -> AsyncIterator[Stack]:
        """Make networks and containers, start them in the order of their links, wait until they are healthy.

        At the end services are asked to stop and nothing is left in Docker. What dead runs left there is removed
        first. Raises ``EnvironmentFault`` when there is no engine of this host, an image cannot be had, or a container
        does not come up, with its last log lines; ``UsageError`` for a stack file that names what does not exist.
        """
        plan = plan_of(order.spec, order.people, order.mutant, environ=self._environment)
        with (
            closing(Calls(await asyncio.to_thread(docker_client.connect, self._environment))) as calls,
            Ports() as ports,
        ):
            engine = Engine(calls.address)
            await _sweep(engine)
            await order.processes.clear_docker(calls.address, order.run)
            instances = await self._instances(order, plan, calls, ports)
            labels = docker_labels.of_run(order.run, order.folder / "logs", order.about)
            networks = topology(order.run, plan.roles, plan.links)
            containers = Containers(calls, order.run, labels, networks, draw=secrets.randbelow, clock=self._clock)
            try:
                async with self._running(order, plan, instances, containers) as stack:
                    yield stack
                if order.keep:
                    await _keep(containers, instances, order.folder / "data")
            finally:
                await containers.remove_all()

    @asynccontextmanager
    async def _running(
        self, order: Order, plan: Plan, instances: Sequence[Instance], containers: Containers
    ) -> AsyncIterator[DockerStack]:
        """Bring everything up, and ask the services to stop at the end; what is left is killed when it is removed."""
        order_of_start = waves([*plan.kinds, *plan.programs], plan.links)
        (proxy,) = (each for each in instances if each.role == PROXY)
        await _all_made(containers, instances)
        # What needs nobody need not wait for the proxy.
        early = [proxy, *(each for each in instances if each.service in order_of_start[0])]
        await asyncio.gather(*(containers.start(each) for each in early))
        async with await connected(proxy, order.proxy) as server:
            links = await make_links(server, plan, order.run)
            stack = DockerStack(
                order.spec,
                instances,
                Ways(server.info, links, addresses(plan, proxy)),
                containers=containers,
                providers=plan.kinds,
                logs=order.folder / "logs",
            )
            try:
                for wave in order_of_start:
                    await stack.come_up(wave)
                await stack.look_round()
                yield stack
            finally:
                for wave in reversed(order_of_start):
                    await stack.stop(wave)

    async def _instances(self, order: Order, plan: Plan, calls: Calls, ports: Ports) -> list[Instance]:
        server = container_for(order.proxy, order.seed)
        builds = {name: DockerService(port=1, build=OWN_IMAGE) for name in plan.kinds}
        wanted = {PROXY: DockerService(port=1, build=server.build), **builds, **plan.programs}
        if any(program.disk is not None for program in plan.programs.values()):
            wanted[DISK] = DockerService(port=1, build=OWN_IMAGE)
        images = await _images(wanted, calls, Path(plan.spec.source).parent)
        proxy = proxy_instance(server, images[PROXY], plan, ports)
        direct = {role: ports.reserve() for role in chain.from_iterable(plan.roles.values())}
        known = {
            "mutant": order.mutant or "",
            "seed": str(order.seed),
            "python": PYTHON,
            **{f"parameters.{name}": value for name, value in plan.spec.parameters.items()},
            **{f"link.{name}": "" for name in plan.spec.absent},
            **{f"link.{name}": begin for name, begin in addresses(plan, proxy).items()},
            **{f"service.{name}": f"http://{LOOPBACK}:{direct[roles[0]]}" for name, roles in plan.roles.items()},
        }
        maker = Maker(plan.spec, ports, direct, known, self._environment, images.get(DISK))
        found = [proxy]
        if plan.kinds:
            user = await _user(calls)
            events = order.folder / "events"
            found += [
                maker.provider(name, kind, images[name], run=order.run, events=events, key=order.key, user=user)
                for name, kind in plan.kinds.items()
            ]
        clocks = await _clocks(order, plan)
        for name, program in plan.programs.items():
            found += maker.service(name, program, images[name], clocks.get(name))
        return found


async def _images(wanted: Mapping[str, DockerService], calls: Calls, beside: Path) -> dict[str, Image]:
    """Find, pull or build each image once, and read what it says of itself."""
    sources = {_source(program): program for program in wanted.values()}
    found: dict[tuple[object, ...], Image] = {}
    for source, program in sources.items():
        tag = await image_of(program, calls.client, beside=beside)
        found[source] = Image.of(tag, await calls(f"look at image {tag}", _inspection(tag)))
    return {name: found[_source(program)] for name, program in wanted.items()}


def _source(program: DockerService) -> tuple[object, ...]:
    return (program.image, program.build, *sorted(program.args.items()))


def _inspection(tag: str) -> Any:
    return lambda api: api.inspect_image(tag)


async def _user(calls: Calls) -> str:
    """Who writes into a folder of this user's: under a rootless engine the container's root is this user."""
    security = (await calls("ask the engine about itself", lambda api: api.info())).get("SecurityOptions") or ()
    return "0:0" if any("rootless" in one for one in security) else f"{os.getuid()}:{os.getgid()}"


async def _clocks(order: Order, plan: Plan) -> dict[str, Path]:
    """Make a folder with the offset of each service whose wall clock is going to be moved."""
    services = order.spec.services
    moved = [name for name in plan.programs if name in order.clocks and services[name].clock == "faketime"]
    if not moved:
        return {}
    root = await order.processes.temporary_folder("clocks")
    folders = {name: root / name for name in moved}
    for folder in folders.values():
        folder.mkdir()
        folder.chmod(0o755)  # in the container it is another user who looks in
        MovableClock(folder, folder / OFFSET).move(0.0)
    return folders


async def _all_made(containers: Containers, instances: Sequence[Instance]) -> None:
    try:
        await containers.make_networks()
        async with asyncio.TaskGroup() as group:
            for instance in instances:
                group.create_task(containers.make(instance))
    except* EnvironmentFault as failed:
        raise cause_of(failed) from None


async def _sweep(engine: Engine) -> None:
    with suppress(EngineTrouble):  # what is wrong with the engine shows at the first thing that is made
        await asyncio.to_thread(docker_reaper.sweep, engine, within_s=SWEEP_WITHIN_S)


async def _keep(containers: Containers, instances: Sequence[Instance], to: Path) -> None:
    for each in instances:
        if each.data is not None:
            await containers.copy_data(each, to / f"{each.role}.tar")
