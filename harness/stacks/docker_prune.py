"""Clearing away what dead runs left in a container engine, when the user asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from harness.core.errors import EnvironmentFault
from harness.stacks import docker_client, docker_reaper
from harness.stacks.docker_calls import address_of
from harness.stacks.docker_engine import Engine, EngineTrouble

PRUNE_WITHIN_S = 60.0


def prune_engine(environment: Mapping[str, str] | None = None) -> list[str]:
    """Remove containers, networks and volumes of runs whose owner is dead, and return the runs.

    Runs in progress are not touched. Raises ``EnvironmentFault`` when there is no engine.
    """
    with closing(docker_client.connect(environment)) as client:
        try:
            return docker_reaper.sweep(Engine(address_of(client)), within_s=PRUNE_WITHIN_S)
        except EngineTrouble as trouble:
            raise EnvironmentFault(f"the container engine failed: {trouble}", hint=docker_client.HOW_TO_GET) from None
