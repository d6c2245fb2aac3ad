"""The containers of one run: made, started, signalled, waited for and looked at, each call off the event loop."""

from __future__ import annotations

import asyncio
import signal as signals
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from docker.types import IPAMConfig, IPAMPool, LogConfig, Mount
from requests import ConnectionError as NoAnswer
from requests import ReadTimeout

from harness.core.clock import Clock
from harness.stacks import docker_labels
from harness.stacks.api import ServiceState
from harness.stacks.docker_calls import Calls, EngineRefused
from harness.stacks.docker_disks import Disks
from harness.stacks.docker_engine import Engine, EngineTrouble
from harness.stacks.docker_files import archive_of
from harness.stacks.docker_follower import Follower
from harness.stacks.docker_instances import Instance
from harness.stacks.docker_reaper import Thing, remove_run, save_log
from harness.stacks.docker_subnets import Draw, draw_subnet, routed_here
from harness.stacks.docker_topology import Network, Topology, plain, prefix
from harness.stacks.ports import LOOPBACK

SUBNET_TRIES = 20
EXEC_WITHIN_S = 5.0
FOLLOWED_WITHIN_S = 2.0
REMOVE_WITHIN_S = 20.0


class Containers:
    """What a run has in Docker; everything carries ``labels``, by which others remove it if this process cannot."""

    def __init__(
        self, calls: Calls, run: str, labels: Mapping[str, str], topology: Topology, *, draw: Draw, clock: Clock
    ) -> None:
        self.calls = calls
        self._clock = clock
        self.run = run
        self._labels = dict(labels)
        self.topology = topology
        self._draw = draw
        self._followers: dict[str, Follower] = {}
        self.disks = Disks(calls)

    async def remove_all(self) -> None:
        """Remove whatever the run has, with its output saved; what cannot be removed now is the watcher's to try."""
        with suppress(EngineTrouble):
            await asyncio.to_thread(remove_run, Engine(self.calls.address), self.run, within_s=REMOVE_WITHIN_S)

    async def make_networks(self) -> None:
        """Make all networks; raises ``EnvironmentFault`` when no free subnet is found."""
        routed = routed_here()
        async with asyncio.TaskGroup() as group:
            for network in self.topology.networks:
                group.create_task(self._make_network(network, routed))

    async def make(self, instance: Instance) -> None:
        """Make a container on all its networks, and its volume; it does not run yet."""
        (network, alias), *others = self.topology.of(instance.role)
        if instance.data is not None:
            options = None if instance.disk is None else await self._make_disk(instance)
            volume = {
                "name": self._name(f"{instance.role}-data"),
                "labels": self._of(instance.role),
                "driver_opts": options,
            }
            await self.calls(f"make a volume for {instance.role}", lambda api: api.create_volume(**volume))
        instance.id = await self.calls(
            f"make a container for {instance.role} of image {instance.image.tag}",
            lambda api: str(api.create_container(**self._wanted(api, instance, network, alias))["Id"]),
        )
        for name, known_as in others:
            await self.join(instance, name, known_as)
        if instance.files:
            await self._put(instance)

    async def join(
        self, instance: Instance, network: str, alias: str | None = None, *, address: str | None = None
    ) -> None:
        """Connect a container to a network, at an address of the network if one is given."""
        aliases = None if alias is None else [alias]
        await self.calls(
            f"connect {instance.role} to network {network}",
            lambda api: api.connect_container_to_network(instance.id, network, aliases=aliases, ipv4_address=address),
        )

    async def start(self, instance: Instance) -> None:
        """Start a container; one that runs is left alone."""
        if (before := self._followers.get(instance.role)) is not None:
            if (await self.state(instance)).running:
                return
            await asyncio.to_thread(before.join, FOLLOWED_WITHIN_S)
        await self.calls(f"start {instance.role}", lambda api: api.start(instance.id))
        instance.started_ns = self._clock.mono_ns()
        log = Path(self._labels[docker_labels.LOGS], f"{plain(instance.role)}.log")
        self._followers[instance.role] = Follower(Engine(self.calls.address), instance.id, log)
        self._followers[instance.role].start()

    async def inspected(self, instance: Instance) -> Mapping[str, Any]:
        """All that the engine knows of a container."""
        return await self.calls(f"look at {instance.role}", lambda api: dict(api.inspect_container(instance.id)))

    async def state(self, instance: Instance) -> ServiceState:
        """What the engine says of a container's process now."""
        found = (await self.inspected(instance))["State"]
        running = bool(found["Running"])
        return ServiceState(
            running=running,
            pid=found["Pid"] or None,
            started_ns=instance.started_ns,
            exit_status=None if running else found["ExitCode"],
        )

    async def signal(self, instance: Instance, number: int) -> None:
        """Send a signal to a container's first process, or freeze and thaw all of them; one that is down is no error.

        SIGSTOP and SIGCONT reach only the process that they are sent to, so the engine's freezer stands in for them;
        SIGTERM asks to stop, for which an image may want another signal.
        """

        def send(api: Any) -> None:
            match number:
                case signals.SIGSTOP:
                    api.pause(instance.id)
                case signals.SIGCONT:
                    api.unpause(instance.id)
                case signals.SIGTERM:
                    api.kill(instance.id, signal=instance.image.stop)
                case _:
                    api.kill(instance.id, signal=number)

        try:
            await self.calls(f"send signal {number} to {instance.role}", send)
        except EngineRefused as refusal:
            # Not running, or already frozen or thawed. An older engine answers 500 to the latter.
            if refusal.status not in {HTTPStatus.CONFLICT, HTTPStatus.INTERNAL_SERVER_ERROR}:
                raise

    async def wait_exit(self, instance: Instance, within_s: float) -> bool:
        """Wait for a container to end; False when it has not in time."""

        def wait(api: Any) -> bool:
            try:
                api.wait(instance.id, timeout=within_s)
            except (ReadTimeout, NoAnswer):
                return False
            # The engine answers before it has taken the container's addresses back, and whoever dials a dead one may
            # hang for a quarter of a minute. It holds the container until most of that is done.
            api.inspect_container(instance.id)
            return True

        return await self.calls(f"wait for the end of {instance.role}", wait)

    async def stop(self, instance: Instance, within_s: int) -> None:
        """Ask a container to stop, by its own stop signal, and kill it when it has not in time."""
        await self.calls(f"stop {instance.role}", lambda api: api.stop(instance.id, timeout=within_s))

    async def passes(self, instance: Instance) -> bool:
        """Whether the health command of a container's image succeeds in it now."""

        def run(api: Any) -> bool:
            command = api.exec_create(instance.id, list(instance.image.health))["Id"]
            api.exec_start(command)
            return bool(api.exec_inspect(command)["ExitCode"] == 0)

        try:
            async with asyncio.timeout(EXEC_WITHIN_S):
                return await self.calls(f"ask {instance.role} for its health", run)
        except (EngineRefused, TimeoutError):
            return False

    async def members(self) -> dict[str, tuple[bool, frozenset[str]]]:
        """Return of each network whether it is internal and the ids of the containers on it now."""

        def look(api: Any) -> dict[str, tuple[bool, frozenset[str]]]:
            label = f"{docker_labels.RUN}={self.run}"
            names = [each["Name"] for each in api.networks(filters={"label": label})]
            found = (api.inspect_network(name) for name in names)
            return {each["Name"]: (bool(each["Internal"]), frozenset(each["Containers"] or ())) for each in found}

        return await self.calls("look at the networks", look)

    async def save_log(self, instance: Instance) -> None:
        """Write what a container has written so far to its file in the run's logs."""
        engine, thing = Engine(self.calls.address), Thing("containers", instance.id, self._of(instance.role))
        await asyncio.to_thread(save_log, engine, thing)

    async def copy_data(self, instance: Instance, to: Path) -> None:
        """Copy a container's volume to a tar file."""

        def copy(api: Any) -> None:
            pieces, _ = api.get_archive(instance.id, instance.data)
            to.parent.mkdir(parents=True, exist_ok=True)
            with to.open("wb") as file:
                file.writelines(pieces)

        await self.calls(f"copy the data of {instance.role}", copy)

    async def _put(self, instance: Instance) -> None:
        """Write a container's files into its volume, before whatever runs there sees it."""
        archive = archive_of(instance.files)
        await self.calls(
            f"write the files of {instance.role} to {instance.data}",
            lambda api: api.put_archive(instance.id, instance.data, archive),
        )

    async def _make_disk(self, instance: Instance) -> dict[str, str]:
        role = f"{instance.role}-disk"
        return await self.disks.make(instance, name=self._name(role), labels=self._of(role))

    async def _make_network(self, network: Network, routed: Sequence[Any]) -> None:
        for left in reversed(range(SUBNET_TRIES)):
            subnet = str(draw_subnet(self._draw, routed))
            try:
                await self.calls(f"make network {network.name}", partial(self._create, network, subnet))
            except EngineRefused as refusal:
                if left and "overlap" in refusal.what:
                    continue
                raise
            return

    def _create(self, network: Network, subnet: str, api: Any) -> None:
        api.create_network(
            network.name,
            driver="bridge",
            internal=network.internal,
            ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]),
            labels=self._of("network"),
        )

    def _wanted(self, api: Any, instance: Instance, network: str, alias: str | None) -> dict[str, Any]:
        mounts = [Mount(inside, outside, type="bind") for inside, outside in instance.binds.items()]
        if instance.data is not None:
            mounts.append(Mount(instance.data, self._name(f"{instance.role}-data"), type="volume"))
        endpoint = api.create_endpoint_config(aliases=None if alias is None else [alias])
        return {
            "image": instance.image.tag,
            "name": self._name(instance.role),
            "command": list(instance.command) or None,
            "entrypoint": None if instance.entrypoint is None else list(instance.entrypoint),
            "environment": instance.env,
            "user": instance.user,
            "labels": self._of(instance.role),
            # Asked when somebody wants to know, not every few seconds by the engine in the midst of a measurement.
            "healthcheck": {"test": ["NONE"]},
            "ports": list(instance.published),
            "networking_config": api.create_networking_config({network: endpoint}),
            "host_config": api.create_host_config(
                mounts=mounts,
                port_bindings={inside: (LOOPBACK, outside) for inside, outside in instance.published.items()},
                # The first process of a container ignores signals that it does not handle, and buries nobody.
                init=True,
                log_config=LogConfig(type=LogConfig.types.JSON),
            ),
        }

    def _name(self, role: str) -> str:
        return f"{prefix(self.run)}-{plain(role)}"

    def _of(self, role: str) -> dict[str, str]:
        return {**self._labels, docker_labels.ROLE: plain(role)}
