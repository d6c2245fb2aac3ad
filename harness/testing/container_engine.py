"""The container engine for tests: skipped without one, but where ``CHAT_CHAOS_REQUIRE`` lists ``docker`` that fails."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import EnvironmentFault

if TYPE_CHECKING:
    from docker.client import DockerClient


def required_engine() -> DockerClient:
    """Return a client of this machine's engine, which the caller closes; skip or fail the test when there is none."""
    from harness.stacks.docker_client import connect  # noqa: PLC0415 - the Docker SDK takes its time

    try:
        return connect()
    except EnvironmentFault as missing:
        if "docker" in os.environ.get("CHAT_CHAOS_REQUIRE", "").replace(",", " ").split():
            pytest.fail(str(missing))
        pytest.skip(str(missing))
