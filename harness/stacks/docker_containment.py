"""Containers of a run that are parted and squeezed (``harness.stacks.containment.Containment``)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from harness.core.errors import EnvironmentFault
from harness.core.stack import StackSpec
from harness.stacks.containment import DiskCommand, Resources
from harness.stacks.docker_calls import EngineRefused
from harness.stacks.docker_containers import Containers
from harness.stacks.docker_instances import Instance
from harness.stacks.docker_topology import link_network

PERIOD_US = 100_000
"""The scheduler's period, its default: a container that has used up its part waits for the next one."""
NO_QUOTA = -1
LEAST_MEMORY = 6 * 1024 * 1024
"""The engine refuses less."""
EVENTS_V2 = "/sys/fs/cgroup/memory.events"
"""Where control groups of version 2 count; the engine tells the count only of version 1."""


class Stacked(Protocol):
    """A stack of containers, as far as this needs it."""

    spec: StackSpec
    containers: Containers

    def instances(self, name: str) -> list[Instance]:
        """Return the containers of a service, or the one replica of that name; KeyError for no such."""
        ...


class DockerContainment:
    """What an engine can do to the containers of one run. All of it is gone with them when the run ends."""

    def __init__(self, stack: Stacked) -> None:
        self._stack = stack
        self._containers = stack.containers
        self._addresses: dict[tuple[str, str], str] = {}
        """Of each container by network: what it had there before it was taken off."""

    async def part(self, link: str, replica: int) -> int:
        """Take a link's source, or one replica of it (from 1; 0: all), off the link's network; return how many."""
        network = self._network(link)
        parted = 0
        for each in self._sources(link, replica):
            if (found := await self._endpoint(each, network)) is None:
                continue
            if address := found.get("IPAddress"):
                self._addresses[each.role, network] = address
            await self._containers.calls(
                f"take {each.role} off network {network}",
                partial(_disconnect, each.id, network),
            )
            parted += 1
        return parted

    async def rejoin(self, link: str, replica: int) -> int:
        """Put back what was taken off a link's network, at the address it had; return how many were."""
        network = self._network(link)
        joined = 0
        for each in self._sources(link, replica):
            if await self._endpoint(each, network) is None:
                await self._containers.join(each, network, address=self._addresses.get((each.role, network)))
                joined += 1
        return joined

    async def apart(self, link: str, replica: int) -> tuple[int, int]:
        """Return how many containers at a link's source are off its network now, and how many are on it."""
        network = self._network(link)
        there = [await self._endpoint(each, network) is not None for each in self._sources(link, replica)]
        return there.count(False), there.count(True)

    async def limit_cpus(self, service: str, cpus: float | None) -> None:
        """Let each container use so many processors, or as many as there are."""
        quota = NO_QUOTA if cpus is None else round(cpus * PERIOD_US)
        for each in self._stack.instances(service):
            await self._update(each, cpu_period=PERIOD_US, cpu_quota=quota)

    async def limit_memory(self, service: str, headroom: int | None) -> None:
        """Let each container use so many bytes beyond what it has now, or all there is."""
        everything = int((await self._containers.calls("ask for its memory", lambda api: api.info()))["MemTotal"])
        for each in self._stack.instances(service):
            if headroom is None:
                await self._update(each, mem_limit=everything, memswap_limit=-1)
                continue
            used = int((await self._stats(each)).get("memory_stats", {}).get("usage", 0))
            limit = max(LEAST_MEMORY, used + headroom)
            await self._update(each, mem_limit=limit, memswap_limit=limit)

    async def disk(self, service: str, command: DiskCommand) -> list[Mapping[str, Any]]:
        """Do something to the disk of each container of a service; return what each told."""
        return [await self._containers.disks.tell(each, command) for each in self._stack.instances(service)]

    async def resources(self, service: str) -> Resources:
        """What the engine says of limits, and the kernel of what came of them."""
        found = await asyncio.gather(*(self._resources(each) for each in self._stack.instances(service)))
        return Resources(
            cpus=found[0].cpus,
            memory=None if any(one.memory is None for one in found) else sum(one.memory or 0 for one in found),
            used=sum(one.used for one in found),
            throttled=sum(one.throttled for one in found),
            limit_hits=sum(one.limit_hits for one in found),
            oom_kills=sum(one.oom_kills for one in found),
        )

    async def _resources(self, instance: Instance) -> Resources:
        inspected, stats = await self._containers.inspected(instance), await self._stats(instance)
        host = inspected["HostConfig"]
        everything = int((await self._containers.calls("ask for its memory", lambda api: api.info()))["MemTotal"])
        quota, memory, kept = host["CpuQuota"], host["Memory"], stats.get("memory_stats", {})
        return Resources(
            cpus=quota / host["CpuPeriod"] if quota > 0 else None,
            memory=memory if 0 < memory < everything else None,
            used=int(kept.get("usage", 0)),
            throttled=int(stats.get("cpu_stats", {}).get("throttling_data", {}).get("throttled_periods", 0)),
            limit_hits=int(kept["failcnt"]) if "failcnt" in kept else await self._hits(instance),
            oom_kills=int(inspected["State"]["OOMKilled"]),
        )

    async def _hits(self, instance: Instance) -> int:
        def read(api: Any) -> str:
            command = api.exec_create(instance.id, ["cat", EVENTS_V2])["Id"]
            return bytes(api.exec_start(command)).decode(errors="replace")

        try:
            words = (await self._containers.calls(f"read {EVENTS_V2} of {instance.role}", read)).split()
        except EngineRefused:  # it does not run, or has no `cat`
            return 0
        counts = dict(zip(words[::2], words[1::2], strict=False))
        return int(counts.get("max", 0))

    async def _stats(self, instance: Instance) -> Mapping[str, Any]:
        return await self._containers.calls(
            f"measure {instance.role}", lambda api: dict(api.stats(instance.id, stream=False, one_shot=True))
        )

    async def _update(self, instance: Instance, **limits: int) -> None:
        await self._containers.calls(
            f"limit what {instance.role} may use", lambda api: api.update_container(instance.id, **limits)
        )

    async def _endpoint(self, instance: Instance, network: str) -> Mapping[str, Any] | None:
        networks = (await self._containers.inspected(instance))["NetworkSettings"]["Networks"]
        found: Mapping[str, Any] | None = networks.get(network)
        return found

    def _sources(self, link: str, replica: int) -> list[Instance]:
        found = self._stack.instances(self._stack.spec.links[link].source)
        if not replica:
            return found
        if replica > len(found):
            raise EnvironmentFault(
                f"link {link} comes from {len(found)} containers, there is no number {replica}",
                hint="correct `replica` of the fault, or `replicas` of the service in the stack file",
            )
        return [found[replica - 1]]

    def _network(self, link: str) -> str:
        return link_network(self._containers.run, link)


def _disconnect(container: str, network: str, api: Any) -> None:
    api.disconnect_container_from_network(container, network, force=True)
