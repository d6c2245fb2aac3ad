"""The simulator as a process: exit code 0 after an orderly stop, 2 for wrong settings, 3 when it cannot start."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from harness.reference import push_store
from harness.reference.chat import EXIT_CANNOT_START, EXIT_WRONG_SETTINGS, CannotStart, listen, server_of
from harness.reference.clock import system_clock
from harness.reference.database import Database
from harness.reference.limits import InMemory, Limiter
from harness.reference.log import LibraryLines, write_line
from harness.reference.push import PushWorker
from harness.reference.push_store import PushStore
from harness.reference.sessions import Sessions
from harness.reference.sqlite import Sqlite
from harness.reference.storage import StorageFailed
from harness.tencent_simulator import accounts, messages
from harness.tencent_simulator.accounts import Accounts
from harness.tencent_simulator.answers import Refusal, on_refusal
from harness.tencent_simulator.answers import on_storage_failed as internal_error
from harness.tencent_simulator.c2c import C2c
from harness.tencent_simulator.chat import Chat
from harness.tencent_simulator.control import Control, control_app
from harness.tencent_simulator.gateway import Gateway
from harness.tencent_simulator.messages import Messages
from harness.tencent_simulator.rest import LoginService, RestApi
from harness.tencent_simulator.settings import EVERYBODY, Settings, WrongSettings
from harness.tencent_simulator.webhooks import Webhooks

SCHEMA = "".join(part.SCHEMA for part in (accounts, messages, push_store))
ADMINISTRATOR = "administrator"
ADOPT_EVERY_S = 1.0


class Simulator:
    """The parts of the simulator, put together on its database inside the event loop; raises ``CannotStart``."""

    def __init__(self, settings: Settings) -> None:
        key, log = settings.key, write_line
        self.settings = settings
        self.database = _open(settings.database)
        self.sessions = Sessions()
        self.accounts = Accounts(self.database, key, settings.sig_life_s, system_clock, self.sessions)
        self.messages = Messages(self.database, settings.roaming_s, system_clock)
        self.limiter = Limiter(InMemory(settings.limits, time.monotonic))
        self.push_store = PushStore(self.database, enabled=settings.push_url is not None)
        self.push_worker = PushWorker(self.push_store, self.sessions, log, settings.push_url)
        self.webhooks = Webhooks(settings.webhook, key.sdkappid, system_clock, log)
        chat = Chat(
            self.database,
            self.messages,
            self.sessions,
            self.limiter,
            self.push_store,
            self.push_worker,
            self.webhooks,
            log,
        )
        self.c2c = C2c(self.accounts, self.messages, chat, self.sessions, self.webhooks, system_clock)
        self.gateway = Gateway(
            key.sdkappid,
            self.accounts,
            self.sessions,
            self.messages,
            self.c2c,
            self.push_store,
            self.webhooks,
            system_clock,
            log,
        )

    def app(self) -> Starlette:
        """Return the app of the service's own port."""
        commands = {**self.c2c.commands(), **LoginService(self.accounts).commands()}
        routes = [
            *RestApi(self.settings, self.accounts, commands).routes(),
            WebSocketRoute("/sdk/v1/ws", self.gateway.endpoint),
            Route("/healthz", _healthy),
        ]
        return Starlette(routes=routes, exception_handlers={Refusal: on_refusal, StorageFailed: internal_error})

    def control_app(self) -> Starlette:
        """Return the app of the control port."""
        parts = (self.accounts, self.sessions, self.messages)
        control = Control(self.database, self.limiter, self.push_store, write_line, *parts)
        return control_app(self.settings.control_token, control)

    async def start(self) -> None:
        """Go on where an earlier process has stopped."""
        await self.accounts.load(frozenset({ADMINISTRATOR}) | self.settings.administrators - {EVERYBODY})
        await self.push_worker.start()

    async def adopt_forever(self) -> None:
        """Take on the pushes that nobody carries, again and again."""
        while True:
            await self.push_worker.adopt()
            await asyncio.sleep(ADOPT_EVERY_S)

    async def stop(self) -> None:
        """Finish what is written."""
        await self.push_worker.stop()
        await self.webhooks.close()
        self.database.close()


async def _healthy(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _open(url: str) -> Database:
    try:
        return Database(Sqlite(Path(url.removeprefix("sqlite:")), SCHEMA))
    except StorageFailed as cause:
        raise CannotStart(f"cannot use the database {url}: {cause}") from cause


async def serve(settings: Settings) -> None:
    """Serve both ports until told to stop; raises ``CannotStart``."""
    ports = [settings.port, *([settings.control_port] if settings.control_port else [])]
    sockets = [listen(settings.host, port) for port in ports]
    simulator = Simulator(settings)
    await simulator.start()
    servers = [server_of(app) for app in (simulator.app(), simulator.control_app())][: len(sockets)]

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    write_line("started", port=settings.port)
    adopting = asyncio.create_task(simulator.adopt_forever())
    await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in zip(servers, sockets, strict=True)))
    adopting.cancel()
    await asyncio.wait([adopting])
    await simulator.stop()
    write_line("stopped")


def main() -> int:
    """Run the simulator as the environment says and return the exit code."""
    logging.basicConfig(level=logging.WARNING, handlers=[LibraryLines()])
    try:
        asyncio.run(serve(Settings.of(os.environ)))
    except WrongSettings as wrong:
        sys.stderr.write(f"tencent simulator: {wrong}\n")
        return EXIT_WRONG_SETTINGS
    except CannotStart as cause:
        sys.stderr.write(f"tencent simulator: {cause}\n")
        return EXIT_CANNOT_START
    return 0


if __name__ == "__main__":
    sys.exit(main())
