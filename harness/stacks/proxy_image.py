"""The real Toxiproxy in a container on the host's own network, for services that are processes of the host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.core.errors import EnvironmentFault
from harness.proxy.adapter import ToxiproxyServer
from harness.proxy.api import ProxyUnavailable
from harness.stacks import docker_labels
from harness.stacks.api import Processes
from harness.stacks.docker_calls import Calls
from harness.stacks.docker_client import connect
from harness.stacks.docker_images import ensure
from harness.stacks.ports import LOOPBACK, Ports
from harness.stacks.proxy_choice import IMAGE
from harness.stacks.proxy_container import ProxyContainer, toxiproxy_container
from harness.stacks.proxy_server import answering

ROLE = "proxy"


@asynccontextmanager
async def running_proxy_image(
    processes: Processes, *, run: str, log: Path
) -> AsyncIterator[tuple[ToxiproxyServer, int]]:
    """Start the container and yield its server with the pid of its process; the watcher removes it with the run.

    Raises ``EnvironmentFault`` when there is no engine on this host, no image, or no answer.
    """
    with closing(Calls(await asyncio.to_thread(connect))) as calls, Ports() as ports:
        port = ports.reserve()
        container = toxiproxy_container(host=LOOPBACK, port=port)
        image = await asyncio.to_thread(ensure, container.build, calls.client)
        await processes.clear_docker(calls.address, run)
        pid = await calls(
            "start the proxy's container", lambda api: _start(api, image, container, _labels(run, log), run)
        )
        try:
            server = await answering(f"http://{LOOPBACK}:{port}", lambda: True)
        except ProxyUnavailable as problem:
            raise EnvironmentFault(
                f"the proxy's container did not answer on the host's network: {problem}",
                hint="the engine has to run on this very machine, not in a virtual one; or leave --proxy image out",
            ) from None
        server.info = replace(server.info, kind=IMAGE)
        async with server:
            yield server, pid


def _start(api: Any, image: str, container: ProxyContainer, labels: dict[str, str], run: str) -> int:
    made = api.create_container(
        image,
        list(container.command),
        name=f"cc-{run}-{ROLE}",
        labels=labels,
        healthcheck={"test": ["NONE"]},  # the image's asks the usual port
        host_config=api.create_host_config(network_mode="host"),
    )
    api.start(made["Id"])
    return int(api.inspect_container(made["Id"])["State"]["Pid"])


def _labels(run: str, log: Path) -> dict[str, str]:
    return {
        docker_labels.RUN: run,
        docker_labels.ROLE: ROLE,
        docker_labels.LOGS: str(log.parent.absolute()),
        **docker_labels.owner(),
    }
