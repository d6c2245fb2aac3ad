"""The container engine for tests: skipped without one, but where ``CHAT_CHAOS_REQUIRE`` lists ``docker`` that fails."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from harness.core.errors import EnvironmentFault
from harness.stacks import docker_labels
from harness.testing.lacking import lacking

if TYPE_CHECKING:
    from docker.client import DockerClient


def required_engine() -> DockerClient:
    """Return a client of this machine's engine, which the caller closes; skip or fail the test when there is none."""
    from harness.stacks.docker_client import connect  # noqa: PLC0415 - the Docker SDK takes its time

    try:
        return connect()
    except EnvironmentFault as missing:
        lacking("docker", str(missing))


def left_of(run: str, engine: DockerClient) -> list[str]:
    """Return what the engine has of a run: names of containers, networks and volumes."""
    wanted: dict[str, Any] = {"label": f"{docker_labels.RUN}={run}"}
    api = engine.api
    return [
        *(name for each in api.containers(all=True, filters=wanted) for name in each["Names"]),
        *(each["Name"] for each in api.networks(filters=wanted)),
        *(each["Name"] for each in api.volumes(filters=wanted)["Volumes"] or ()),
    ]


def gone_within(run: str, within_s: float, engine: DockerClient) -> bool:
    """Wait until nothing is left of a run; False when something still is after that time."""
    end = time.monotonic() + within_s
    while left_of(run, engine):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
