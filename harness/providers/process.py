"""A simulator as a process: two ports, a recorder, a sign of life each second, and an orderly end.

Exit codes: 0 after SIGTERM or SIGINT, 2 for wrong settings, 3 when a port or the events cannot be had.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from typing import Protocol

from harness.core.errors import EnvironmentFault
from harness.core.seeds import Seed
from harness.history.recorder import Recorder
from harness.providers.control_port import ControlPort
from harness.providers.http_server import Handler, serve
from harness.providers.received import Received
from harness.providers.rules import Rules
from harness.providers.settings import Settings, WrongSettings
from harness.proxy.http_wire import Request, Response

EXIT_WRONG_SETTINGS = 2
EXIT_CANNOT_SERVE = 3
BEAT_S = 1.0


class Simulator(Protocol):
    """What the backend talks to."""

    rules: Rules
    received: Received

    def answer(self, request: Request) -> Response | None:
        """Answer one request; None: never."""
        ...

    def finish(self) -> None:
        """Do at once what was to happen later: the run is over."""
        ...


Make = Callable[[Settings, Recorder, Seed], Simulator]


def main(name: str, make: Make) -> int:
    """Serve as the environment says and return the exit code; one sentence on stderr when that fails."""
    try:
        asyncio.run(_serve(Settings.of(os.environ), make))
    except WrongSettings as wrong:
        sys.stderr.write(f"{name}: {wrong}\n")
        return EXIT_WRONG_SETTINGS
    except (EnvironmentFault, OSError) as problem:
        sys.stderr.write(f"{name}: {problem}\n")
        return EXIT_CANNOT_SERVE
    return 0


async def _serve(settings: Settings, make: Make) -> None:
    over = asyncio.get_running_loop().create_future()
    recorder = Recorder(settings.events, run=settings.run, role=settings.provider, observer="provider")
    with closing(recorder):
        simulator = make(settings, recorder, Seed(settings.seed))
        control = ControlPort(settings.control_token, simulator.rules, simulator.received)
        async with AsyncExitStack() as ports:
            for port, handler in ((settings.port, simulator.answer), (settings.control_port, control.answer)):
                server = await serve(settings.host, port, _guarded(handler, over))
                ports.callback(server.close)  # conversations end with the process
            await _live(recorder, over)
        simulator.finish()


def _guarded(handler: Handler, over: asyncio.Future[None]) -> Handler:
    """End the process when what it saw cannot be kept: silence must not look like no pushes."""

    def answer(request: Request) -> Response | None:
        try:
            return handler(request)
        except EnvironmentFault as problem:
            if not over.done():
                over.set_exception(problem)
            return None

    return answer


async def _live(recorder: Recorder, over: asyncio.Future[None]) -> None:
    """Beat until a signal ends it, or what goes wrong raises."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _end, over)
    while not over.done():
        recorder.beat()
        await asyncio.wait((over,), timeout=BEAT_S)
    over.result()


def _end(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
