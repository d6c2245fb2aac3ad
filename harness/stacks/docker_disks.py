"""Small disks for services' data, each kept by a container of its own beside the service's."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from harness.core.errors import EnvironmentFault
from harness.stacks import disk_keeper
from harness.stacks.docker_calls import Calls, EngineRefused
from harness.stacks.docker_engine import Engine, EngineTrouble, plain
from harness.stacks.docker_instances import Instance

PROGRAM = ("python3", "-I", "-c", inspect.getsource(disk_keeper))
"""The image has of the package only what the reference backend needs, and this needs nothing of it."""
ROLE = "disk"
LOG_LINES = 3
MADE_WITHIN_S = 20.0
FOLLOWED = {"follow": "1", "stdout": "1", "stderr": "1"}
DEVICE = b"/dev/"
MAY_MOUNT: Mapping[str, Any] = {
    "cap_add": ["SYS_ADMIN"],
    "security_opt": ["apparmor=unconfined"],
    "devices": ["/dev/loop-control"],
    "device_cgroup_rules": ["b 7:* rwm"],
}
"""What it takes to make a loop device and mount it, and no more: a privileged container could do anything."""


class Disks:
    """The keepers of one run's disks by the container that has its data there."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._keepers: dict[str, str] = {}

    async def make(self, instance: Instance, *, name: str, labels: Mapping[str, str]) -> dict[str, str]:
        """Start the keeper of an instance's disk; return the options of the volume that is on it.

        Raises ``EnvironmentFault`` where the engine cannot make one: it takes loop devices.
        """
        disk = instance.disk
        if disk is None:
            return {}

        def start(api: Any) -> str:
            made = api.create_container(
                image=disk.keeper.tag,
                name=name,
                entrypoint=list(PROGRAM),
                command=["keep", str(disk.size)],
                user="0:0",
                labels=dict(labels),
                healthcheck={"test": ["NONE"]},
                host_config=api.create_host_config(network_mode="none", init=True, **MAY_MOUNT),
            )["Id"]
            api.start(made)
            return str(made)

        keeper = await self._calls(f"start the disk of {instance.role}", start)
        self._keepers[instance.role] = keeper
        device = await asyncio.to_thread(_device, Engine(self._calls.address), keeper)
        if not device.startswith(DEVICE.decode()):
            raise EnvironmentFault(
                f"no disk could be made for {instance.role}: {device or 'its keeper said nothing'}",
                hint="it takes an engine that runs as root, on a kernel with loop devices",
            )
        return {"type": "ext4", "device": device}

    async def tell(self, instance: Instance, command: str) -> Mapping[str, Any]:
        """Have the keeper do something (``harness.stacks.disk_keeper``) and return what it told.

        Raises ``EnvironmentFault`` when it fails, or for a container whose data is not on a disk of its own.
        """
        if (keeper := self._keepers.get(instance.role)) is None:
            raise EnvironmentFault(
                f"the data of {instance.role} is not on a disk of its own",
                hint="such faults belong in a scenario file, from which it is known before the start",
            )

        def run(api: Any) -> tuple[int, bytes]:
            made = api.exec_create(keeper, [*PROGRAM, command])["Id"]
            told = bytes(api.exec_start(made))
            return int(api.exec_inspect(made)["ExitCode"]), told

        what = f"{command} the disk of {instance.role}"
        status, told = await self._calls(what, run)
        if status:
            raise EngineRefused(f"cannot {what}: {_end(told)}", status=None)
        found: Mapping[str, Any] = json.loads(told)
        return found


def _device(engine: Engine, container: str) -> str:
    """The name of the device as soon as it is told; the end of what a keeper said that ended without."""
    said = b""
    pieces = engine.stream("GET", f"/containers/{container}/logs", within_s=MADE_WITHIN_S, query=FOLLOWED)
    with suppress(EngineTrouble):
        for piece in plain(pieces):
            said += piece
            if said.startswith(DEVICE) and said.endswith(b"\n"):
                break
    return _end(said)


def _end(said: bytes) -> str:
    return " / ".join(said.decode(errors="replace").strip().splitlines()[-LOG_LINES:])
