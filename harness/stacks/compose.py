"""The compose launcher: a user's own compose project with the proxy put in front of named services."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from harness.core.clock import Clock, SystemClock
from harness.core.errors import UsageError
from harness.core.stack import StackSpec
from harness.stacks import docker_client, docker_labels
from harness.stacks.api import Order, Stack
from harness.stacks.compose_cli import Compose, find_compose
from harness.stacks.compose_file import made_over
from harness.stacks.compose_plan import LAUNCHER, ComposePlan, plan_of
from harness.stacks.compose_proxy import begins, make_edges, proxy_instance
from harness.stacks.compose_running import PROJECT_LABEL, SERVICE_LABEL, addressed
from harness.stacks.docker_calls import Calls
from harness.stacks.docker_containers import Containers
from harness.stacks.docker_images import ensure
from harness.stacks.docker_instances import Image, Instance
from harness.stacks.docker_proxy import connected, container_for
from harness.stacks.docker_stack import DockerStack, Ways
from harness.stacks.external import ExternalLauncher
from harness.stacks.ports import Ports

NUMBER_LABEL = "com.docker.compose.container-number"


class ComposeStack(DockerStack):
    """The project's containers and the proxies of one run (``harness.stacks.api.Stack``)."""

    launcher = LAUNCHER


@dataclass(frozen=True, slots=True)
class _Project:
    """A user's project as its tool reads it, and what is to become of it."""

    tool: Compose
    config: Mapping[str, Any]
    plan: ComposePlan
    labels: Mapping[str, str]


class ComposeLauncher:
    """Starts a project under a name of its own for each run, or meets one that runs already."""

    name = LAUNCHER

    def __init__(self, *, clock: Clock | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._clock = clock or SystemClock()
        self._environment = os.environ if environment is None else environment

    @asynccontextmanager
    async def launch(self, order: Order) -> AsyncIterator[Stack]:
        """Start the project behind the proxy, wait until it is healthy, and remove all of it at the end.

        A project that runs already is met as ``external`` meets a system, by its published ports. Raises
        ``UsageError`` for a project that cannot be played so, ``EnvironmentFault`` when there is no engine or compose
        tool, or the project does not come up.
        """
        if order.mutant is not None:
            raise UsageError("a compose project has no mutants", hint="leave --mutant out")
        with (
            closing(Calls(await asyncio.to_thread(docker_client.connect, self._environment))) as calls,
            Ports() as ports,
        ):
            if order.spec.compose.project is not None:
                external = ExternalLauncher(name=LAUNCHER, environment=self._environment)
                met = external.launch(replace(order, spec=await addressed(order.spec, calls)))
                async with met as stack:
                    yield stack
                return
            tool = await find_compose(self._environment)
            config = await tool.config(_files(order.spec))
            plan = plan_of(order.spec, config, run=order.run, people=order.people)
            labels = docker_labels.of_run(order.run, order.folder / "logs", order.about)
            containers = Containers(calls, order.run, labels, plan.topology, draw=secrets.randbelow, clock=self._clock)
            await order.processes.clear_docker(calls.address, order.run)
            try:
                async with self._running(order, _Project(tool, config, plan, labels), containers, ports) as started:
                    yield started
            finally:
                await containers.remove_all()

    @asynccontextmanager
    async def _running(
        self, order: Order, project: _Project, containers: Containers, ports: Ports
    ) -> AsyncIterator[ComposeStack]:
        plan = project.plan
        server_kind = container_for(order.proxy, order.seed)
        tag = await asyncio.to_thread(ensure, server_kind.build, containers.calls.client)
        proxy = proxy_instance(server_kind, Image(tag), plan, ports)
        published = {name: ports.reserve() for name in sorted(plan.published)}
        changed = made_over(project.config, plan, project.labels, published)
        # The filled-in file has the project's passwords, so it is not kept in the run's folder.
        file = await order.processes.temporary_folder(LAUNCHER) / "compose.yaml"
        file.write_text(yaml.safe_dump(changed, sort_keys=False))
        await containers.make_networks()
        await containers.make(proxy)
        await containers.start(proxy)
        async with await connected(proxy, order.proxy) as server:
            links = await make_edges(server, plan, await containers.inspected(proxy))
            logs = order.folder / "logs"
            await project.tool.up(file, plan.project, processes=order.processes, log=logs / "compose.log")
            found = await _containers(containers.calls, plan, published)
            stack = ComposeStack(
                order.spec,
                [proxy, *found],
                Ways(server.info, links, begins(plan, proxy)),
                containers=containers,
                providers={},
                logs=logs,
            )
            await stack.come_up(list(plan.services))
            await stack.look_round()
            try:
                yield stack
            finally:
                await stack.stop(list(plan.services))


def _files(spec: StackSpec) -> list[Path]:
    if not spec.compose.files:
        raise UsageError(f"stack {spec.name} names no compose project", hint="give `compose: {files: [...]}`")
    return [Path(spec.source).absolute().parent / file for file in spec.compose.files]


async def _containers(calls: Calls, plan: ComposePlan, published: Mapping[str, int]) -> list[Instance]:
    """Find the project's containers: those of the stack's services by their names there, the others for the books."""
    ports = {service.service: service.port for service in plan.services.values()}

    def look(api: Any) -> list[Mapping[str, Any]]:
        found = api.containers(all=True, filters={"label": f"{PROJECT_LABEL}={plan.project}"})
        return [api.inspect_container(each["Id"]) for each in found]

    instances: list[Instance] = []
    for inspected in await calls("look at the project's containers", look):
        its = inspected["Config"]["Labels"][SERVICE_LABEL]
        number = int(inspected["Config"]["Labels"][NUMBER_LABEL])
        port = ports.get(its, 0)
        instances.append(
            Instance(
                role=plan.roles[its][number - 1],
                service=plan.named.get(its, f"compose.{its}"),
                image=replace(Image.of(inspected["Config"]["Image"], inspected), faketime=None),
                command=(),
                env={},
                published={port: published[its]} if its in published else {},
                port=port,
                id=inspected["Id"],
            )
        )
    return instances
