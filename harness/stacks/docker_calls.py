"""Calls of the Docker SDK off the event loop: it blocks, and its threads must not starve the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

from docker.client import DockerClient
from docker.errors import APIError

from harness.core.errors import EnvironmentFault
from harness.stacks.docker_client import ENGINE_TROUBLE

T = TypeVar("T")

AT_ONCE = 10
"""Calls at a time: the SDK keeps that many connections."""
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


class EngineRefused(EnvironmentFault):
    """The engine did not do as it was told; ``status`` is its HTTP status, None when there was no answer."""

    def __init__(self, what: str, *, status: int | None) -> None:
        super().__init__(what, hint="see what the engine says of it: docker info, journalctl -u docker")
        self.status = status


class Calls:
    """An engine of this host; every call has the client's time-out."""

    def __init__(self, client: DockerClient) -> None:
        """Take over the client; raises ``EnvironmentFault`` for an engine of another machine."""
        self.client = client
        self.address = address_of(client)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="docker")

    async def __call__(self, what: str, do: Callable[[Any], T]) -> T:
        """Let ``do`` use the low-level client in a thread; ``what`` says in an error what could not be done.

        Raises ``EngineRefused``.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, do, self.client.api)
        except APIError as refusal:
            reason = refusal.explanation or str(refusal)
            raise EngineRefused(f"cannot {what}: {reason}", status=refusal.status_code) from None
        except ENGINE_TROUBLE as trouble:
            raise EngineRefused(f"cannot {what}: {trouble}", status=None) from None

    def close(self) -> None:
        """Hang up, without waiting for calls that are still underway."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.client.close()


def address_of(client: DockerClient) -> str:
    """Return the engine's address as ``harness.stacks.docker_engine`` takes it.

    Raises ``EnvironmentFault`` when the engine is not of this host: its published ports would not be ours.
    """
    base = client.api.base_url
    if base.startswith("http+docker://"):
        adapter = client.api.get_adapter(base)
        if (path := getattr(adapter, "socket_path", None)) is not None:
            return f"unix://{path}"
    url = urlsplit(base)
    if url.scheme == "http" and url.hostname in _LOCAL:
        return f"tcp://{url.hostname}:{url.port}"
    raise EnvironmentFault(
        f"the container engine at {base} is not one of this machine, so that its ports cannot be reached on 127.0.0.1",
        hint="run chat-chaos on the engine's machine, or set DOCKER_HOST to a socket of this one",
    )
