"""``python -m harness.providers.process KIND``: a provider simulator as a process, configured by its environment.

``PORT`` and ``CONTROL_PORT`` (loopback), ``CONTROL_TOKEN``, and of the run: ``RUN``, ``EVENTS`` (folder), ``KEY`` (hex),
``SEED``. Ends in order on SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from harness.core.errors import ChatChaosError, EnvironmentFault, UsageError
from harness.core.seeds import Seed
from harness.history.recorder import Recorder
from harness.providers.registry import provider
from harness.providers.rules import Rules

HOST = "127.0.0.1"
BEAT_S = 1.0


async def serve(kind: str, settings: Mapping[str, str]) -> None:
    """Serve until SIGTERM; raises ``EnvironmentFault`` for a port that cannot be had."""
    recorder = Recorder(
        Path(settings["EVENTS"]), run=settings["RUN"], role="provider", observer="provider"
    )
    simulator = provider(kind)(Rules(Seed(int(settings["SEED"]))), recorder, key=bytes.fromhex(settings["KEY"]))
    servers = [
        _server(simulator.push_app()),
        _server(simulator.control_app(settings["CONTROL_TOKEN"])),
    ]
    sockets = [_listen(int(settings[name])) for name in ("PORT", "CONTROL_PORT")]
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with asyncio.TaskGroup() as tasks:
        for server, listener in zip(servers, sockets, strict=True):
            tasks.create_task(server.serve([listener]))
        beating = tasks.create_task(_beat(recorder))
        await stopped.wait()
        beating.cancel()
        for server in servers:
            server.should_exit = server.force_exit = True
    recorder.close()


class _Server(uvicorn.Server):
    """Leaves signals to ``serve``."""

    def install_signal_handlers(self) -> None:
        """Install none."""


def _server(app: Starlette) -> _Server:
    return _Server(uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_config=None, access_log=False))


def _listen(port: int) -> socket.socket:
    try:
        listener = socket.create_server((HOST, port), backlog=512)
    except OSError as problem:
        raise EnvironmentFault(f"cannot listen on {HOST}:{port}: {problem.strerror}") from problem
    # See harness/reference/chat.py: without it each small answer waits for a delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def _beat(recorder: Recorder) -> None:
    while True:
        recorder.beat()
        await asyncio.sleep(BEAT_S)


def main() -> int:
    """Run a provider; returns the exit status."""
    try:
        [kind] = sys.argv[1:]
        asyncio.run(serve(kind, os.environ))
    except (KeyError, ValueError) as problem:
        sys.stderr.write(f"provider: wrong settings: {problem}\n")
        return UsageError.exit_code
    except* ChatChaosError as group:
        sys.stderr.write(f"provider: {group.exceptions[0]}\n")
        return EnvironmentFault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
