"""A stack that runs in containers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

from harness.core.errors import EnvironmentFault, cause_of
from harness.core.stack import Health, StackSpec
from harness.providers.api import ProviderKind
from harness.providers.control import HttpProviderControl
from harness.proxy.adapter import LinkProxyHandle
from harness.proxy.api import ProxyInfo
from harness.stacks.api import ProviderControl, ServiceControl, ServiceState
from harness.stacks.control import ReferenceControl
from harness.stacks.docker_calls import EngineRefused
from harness.stacks.docker_containers import Containers
from harness.stacks.docker_containment import DockerContainment
from harness.stacks.docker_control import ReplicatedControl
from harness.stacks.docker_instances import FAKETIME_LABEL, OFFSET, Instance
from harness.stacks.faketime import MovableClock
from harness.stacks.health import wait_until_ok
from harness.stacks.logs import last_lines
from harness.stacks.sockets import strangers
from harness.stacks.synapse_control import CHAT, control_of
from harness.stacks.usage import in_container

T = TypeVar("T")

LOOK_EVERY_S = 0.1
STOP_WITHIN_S = 3
PROVIDER_HEALTH = Health("/healthz", "", 15.0)
COMMAND_WITHIN_S = 30.0
"""For a service without a health request to be up: by its image's health command, or merely running."""


@dataclass(frozen=True, slots=True)
class Ways:
    """The proxies of a stack by link; ``begins`` is the ``host:port`` at which the link's source comes in."""

    info: ProxyInfo
    links: Mapping[str, LinkProxyHandle]
    begins: Mapping[str, str]


class DockerStack:
    """Containers and proxies of one run (``harness.stacks.api.Stack``).

    A service's name stands for all its replicas, and ``chat.1`` for one of them.
    """

    launcher = "docker"

    def __init__(
        self,
        spec: StackSpec,
        instances: Sequence[Instance],
        ways: Ways,
        *,
        containers: Containers,
        providers: Mapping[str, ProviderKind],
        logs: Path,
    ) -> None:
        self.spec = spec
        self.proxy = ways.info
        self.logs = logs
        self.containers = containers
        self.containment = DockerContainment(self)
        self._ways = ways
        self._providers = providers
        self._instances = instances
        self._synapse = control_of(spec, self.direct_url)
        self._closed = False
        """Whether the networks were seen to be as planned, so that nothing can go round the proxy."""

    def link(self, name: str) -> LinkProxyHandle:
        """Return the proxy of a link (``client->chat``, ``client:alice->chat``); KeyError when there is none."""
        return self._ways.links[name]

    def links(self) -> Sequence[str]:
        """Names of all links that have a proxy."""
        return list(self._ways.links)

    def url(self, link: str) -> str:
        """Base address of a link's service through its proxy, as the link's source knows it: people, or a service."""
        return f"http://{self._ways.begins[link]}"

    def direct_url(self, service: str) -> str:
        """Base address of a service (of its first replica) past every proxy, for control and the oracle only."""
        return f"http://{self.instances(service)[0].address}"

    def instances(self, name: str) -> list[Instance]:
        """Return the containers of a service or provider, or the one replica of that name; KeyError for no such."""
        found = [each for each in self._instances if name in {each.service, each.role}]
        if not found:
            raise KeyError(name)
        return found

    async def state(self, service: str) -> ServiceState:
        """The first container's process now; ``running`` only if all replicas run."""
        found = await self._each(service, self.containers.state)
        first = found[0]
        running = all(one.running for one in found)
        return ServiceState(running=running, pid=first.pid, started_ns=first.started_ns, exit_status=first.exit_status)

    async def roots(self) -> dict[int, str]:
        """Return the pids of the containers' first processes with their roles; none where this host has no such."""
        made = [each for each in self._instances if each.id]
        states = await asyncio.gather(*(self.containers.state(each) for each in made))
        return {
            state.pid: each.role
            for each, state in zip(made, states, strict=True)
            if state.pid is not None and in_container(state.pid, str(each.id))
        }

    async def signal(self, service: str, signal: int) -> None:
        """Send a signal to each container's first process; SIGSTOP and SIGCONT freeze and thaw all of them."""
        await self._each(service, lambda each: self.containers.signal(each, signal))

    async def wait_exit(self, service: str, within_s: float) -> bool:
        """Wait for all containers to end; False when one has not in time."""
        return all(await self._each(service, lambda each: self.containers.wait_exit(each, within_s)))

    async def start(self, service: str) -> None:
        """Start the containers that are down, on the same data and ports; returns once their processes run."""
        await self._each(service, self.containers.start)
        await self.look_round()

    @property
    def control(self) -> ServiceControl | None:
        """The control ports as the reference backend has them, Synapse's admin API, or None for a stack without."""
        if self._synapse is not None:
            return self._synapse
        if self.spec.control != "direct" or CHAT not in self.spec.links:
            return None
        clients = [each.control for each in self.instances(self.spec.links[CHAT].service)]
        found: list[ServiceControl] = [ReferenceControl(client) for client in clients if client is not None]
        if not found:
            return None
        return found[0] if len(found) == 1 else ReplicatedControl(found)

    def provider(self, name: str) -> ProviderControl:
        """Return the control of a provider simulator; KeyError when the stack has none of that name."""
        client = self.instances(name)[0].control
        if name not in self._providers or client is None:
            raise KeyError(name)
        return HttpProviderControl(self._providers[name], client)

    async def set_clock(self, service: str, offset_s: float) -> None:
        """Move a service's wall clock (monotonic untouched); raises ``EnvironmentFault`` when it cannot be moved.

        The replicas of a service have one clock.
        """
        first = self.instances(service)[0]
        if why := self.clock_reason(service):
            raise EnvironmentFault(f"the clock of service {service} cannot be moved", hint=why)
        clock = MovableClock(Path(first.image.faketime or ""), Path(first.clock or "", OFFSET))
        await asyncio.to_thread(clock.move, offset_s)

    def clock_reason(self, service: str) -> str:
        """Why a service's clock cannot be moved, as a sentence with the way out; empty when it can."""
        first = self.instances(service)[0]
        if first.image.faketime is None:
            return f"image {first.image.tag} of service {service} has no label {FAKETIME_LABEL} that names libfaketime"
        if service != first.service:
            return f"the replicas of service {first.service} have one clock: move that of {first.service}"
        if first.clock is None:
            return (
                f"service {service} was started with the host's clock: no fault of the scenario was going to move it, "
                "or the stack file lacks `clock: faketime`"
            )
        return ""

    async def healthy(self, service: str, within_s: float) -> bool:
        """Wait until every replica answers its health request directly (not through a proxy that a fault may hold).

        A service without one is asked by its image's health command; where there is none either, running is enough.
        """
        return not any(await self._each(service, lambda each: self._seen(each, within_s)))

    def unproxied(self, service: str) -> int | None:
        """Connections to the service's published ports that are not the harness's own.

        None until the networks were seen to be as planned: then containers have no other way than the proxy, and
        whoever comes from this host meets the published ports.
        """
        if not self._closed:
            return None
        found = [strangers(each.published[each.port], (os.getpid(),)) for each in self.instances(service)]
        return None if None in found else sum(number or 0 for number in found)

    async def look_round(self) -> None:
        """Compare the networks with the plan; raises ``EnvironmentFault`` when a service could go round its proxy."""
        ids = {each.role: each.id for each in self._instances}
        members = await self.containers.members()
        for network in self.containers.topology.networks:
            internal, there = members.get(network.name, (False, frozenset()))
            strange = there - {ids[role] for role in network.members}
            if strange or internal is not network.internal:
                raise EnvironmentFault(
                    f"network {network.name} is not as planned: "
                    + (f"strange containers {', '.join(sorted(strange))}" if strange else "it is open to outside"),
                    hint="leave the networks of a run alone: nothing may go round its proxy",
                )
        self._closed = True

    async def come_up(self, services: Sequence[str]) -> None:
        """Start services and wait until each answers through its link.

        Raises ``EnvironmentFault`` as soon as one has ended or its time is over.
        """
        started = list(chain.from_iterable(self.instances(name) for name in services))
        try:
            async with asyncio.TaskGroup() as group:
                for each in started:
                    group.create_task(self._first_health(each))
        except* EnvironmentFault as failed:
            raise cause_of(failed) from None

    async def stop(self, services: Sequence[str]) -> None:
        """Ask services to stop, and kill those that do not in time; one that is gone is no error."""
        asked = chain.from_iterable(self.instances(name) for name in services)
        stops = (self.containers.stop(each, STOP_WITHIN_S) for each in asked if each.id)
        for outcome in await asyncio.gather(*stops, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, EngineRefused):
                raise outcome

    async def _each(self, service: str, do: Callable[[Instance], Awaitable[T]]) -> list[T]:
        return list(await asyncio.gather(*(do(each) for each in self.instances(service))))

    def _health(self, instance: Instance) -> Health | None:
        if instance.service in self._providers:
            return PROVIDER_HEALTH
        return self.spec.services[instance.service].health

    async def _seen(self, instance: Instance, within_s: float) -> str | None:
        """Wait until a container is healthy: None then, else a phrase for what was seen last."""
        health = self._health(instance)
        if health is not None:
            host, port = instance.address.split(":")
            return await wait_until_ok(host, int(port), health.path, within_s)
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while not await self._passes(instance):
            if loop.time() >= end:
                return "a health command that fails"
            await asyncio.sleep(LOOK_EVERY_S)
        return None

    async def _passes(self, instance: Instance) -> bool:
        if instance.image.health and instance.port:
            return await self.containers.passes(instance)
        return (await self.containers.state(instance)).running

    async def _first_health(self, instance: Instance) -> None:
        if instance.started_ns is None:
            await self.containers.start(instance)
        health = self._health(instance)
        within_s = COMMAND_WITHIN_S if health is None else health.within_s
        asking = asyncio.create_task(self._answers(instance, within_s))
        ending = asyncio.create_task(self.containers.wait_exit(instance, within_s + 1))
        try:
            await asyncio.wait((asking, ending), return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise await self._died(instance)
            if (seen := asking.result()) is not None:
                raise await self._mute(instance, within_s, seen)
        finally:
            asking.cancel()
            ending.cancel()
            await asyncio.gather(asking, ending, return_exceptions=True)

    async def _answers(self, instance: Instance, within_s: float) -> str | None:
        """Ask a container itself, then the link that its health goes through."""
        seen = await self._seen(instance, within_s)
        health = self._health(instance)
        if seen is not None or health is None or not health.through:
            return seen
        host, _, port = self._ways.begins[health.through].rpartition(":")
        seen = await wait_until_ok(host, int(port), health.path, within_s)
        return None if seen is None else f"{seen} through {health.through}"

    async def _died(self, instance: Instance) -> EnvironmentFault:
        status = (await self.containers.state(instance)).exit_status
        await self.containers.save_log(instance)
        return EnvironmentFault(
            f"{instance.role} of stack {self.spec.name} ended with status {status} before it was healthy; "
            f"{last_lines(self._log(instance))}",
            hint="mend what its log names, or correct the command and the env that the stack file gives it",
        )

    async def _mute(self, instance: Instance, within_s: float, seen: str) -> EnvironmentFault:
        await self.containers.save_log(instance)
        return EnvironmentFault(
            f"{instance.role} of stack {self.spec.name} was not healthy within {within_s:g} s: met {seen}; "
            f"{last_lines(self._log(instance))}",
            hint="if it is merely slow to start, raise `within` of its health in the stack file",
        )

    def _log(self, instance: Instance) -> Path:
        return self.logs / f"{instance.role}.log"
