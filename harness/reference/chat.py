"""The reference chat backend as a process: ``python -m harness.reference.chat``.

Exit codes: 0 after an orderly stop, 2 for wrong settings, 3 when a port or the database cannot be had.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette

from harness.reference import accounts, device_mail, feeds, limits, membership, messages, push_store, tokens
from harness.reference.accounts import Accounts
from harness.reference.bus import Bus, Ended, NoBus
from harness.reference.clock import system_clock
from harness.reference.control import Control, control_app
from harness.reference.database import Database
from harness.reference.fanout import Fanout
from harness.reference.feeds import Feeds
from harness.reference.frames import MAX_FRAME_BYTES, Refused
from harness.reference.http_accounts import AccountsHttp
from harness.reference.http_chat import ChatHttp
from harness.reference.http_people import PeopleHttp
from harness.reference.limits import InDatabase, InMemory, Limiter
from harness.reference.live import Live
from harness.reference.log import LibraryLines, write_line
from harness.reference.membership import Membership
from harness.reference.messages import Messages
from harness.reference.mutants import parts_of
from harness.reference.parts import Parts
from harness.reference.push import PushWorker
from harness.reference.push_store import PushStore
from harness.reference.sessions import Sessions
from harness.reference.settings import Settings, WrongSettings
from harness.reference.sqlite import Sqlite
from harness.reference.storage import Engine, StorageFailed
from harness.reference.tokens import Tokens
from harness.reference.upgrade import Upgrade
from harness.reference.upkeep import Upkeep
from harness.reference.web import on_refused, on_storage_failed

SCHEMA = "".join(
    part.SCHEMA for part in (accounts, tokens, membership, messages, feeds, push_store, limits, device_mail)
)
EXIT_WRONG_SETTINGS = 2
EXIT_CANNOT_START = 3
GRACE_S = 1
SWITCH_S = 0.0002
"""The thread that writes gives up the interpreter at every statement; by default it would wait 5 ms to get it back
from a busy event loop, and a group of sends with hundreds of statements for as many times as long."""
GARBAGE_AFTER = 50_000
"""Objects between two collections: with thousands of connections each looks through a million and takes its time."""
BACKLOG = 2048
HOW_TO_GET_LIBRARIES = "pip install 'chat-chaos[cluster]'"


Upgrading = Callable[..., Upgrade]
"""Called as uvicorn calls a WebSocket protocol."""


class CannotStart(Exception):
    """A port or the database cannot be had; the text says which and why."""


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the process, which has two servers and exits with 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Install no handler."""
        yield


@dataclass(frozen=True, slots=True)
class Service:
    """The chat put together: its app and what the control port asks about."""

    app: Starlette
    websockets: Upgrading
    database: Database
    messages: Messages
    sessions: Sessions
    limiter: Limiter
    tokens: Tokens
    push_store: PushStore
    push_worker: PushWorker
    upkeep: Upkeep


def assemble(settings: Settings, parts: Parts) -> Service:
    """Put the service together on its database, inside its event loop; raises ``CannotStart``."""
    database = _open(settings, parts)
    bus = bus_of(settings)
    sessions = parts.sessions()
    tokens = parts.tokens(database, system_clock, settings.token_ttl_s, sessions.end, partial(_tell_ended, bus))
    books = InDatabase(settings.limits) if database.shared else InMemory(settings.limits, time.monotonic)
    limiter = parts.limiter(books)
    push_store = parts.push_store(database, enabled=settings.push_url is not None)
    push_worker = parts.push_worker(push_store, sessions, write_line, settings.push_url)
    store = parts.messages(database, parts.deduplication(), parts.audience(), push_store, system_clock)
    mail = parts.device_mail(database, sessions)
    fanout = Fanout(sessions, Feeds(database), bus, push_worker.needless)
    chat = parts.chat(store, tokens, limiter, fanout, push_worker, mail, write_line)
    live = Live(tokens, fanout, mail, chat, write_line, system_clock)
    routes = [
        *AccountsHttp(Accounts(database), tokens, write_line, settings.advertised_url).routes(),
        *ChatHttp(tokens, chat, store, bus, write_line).routes(),
        *PeopleHttp(tokens, Membership(database), push_store, mail, write_line).routes(),
    ]
    app = Starlette(routes=routes, exception_handlers={Refused: on_refused, StorageFailed: on_storage_failed})
    upkeep = Upkeep(bus, fanout, sessions, tokens, push_worker, mail, shared=database.shared)
    return Service(app, live.protocol, database, store, sessions, limiter, tokens, push_store, push_worker, upkeep)


def _tell_ended(bus: Bus, user: str, tokens: Collection[bytes], how: str) -> None:
    bus.publish(Ended(user=user, tokens=list(tokens), how=how))


def _open(settings: Settings, parts: Parts) -> Database:
    try:
        return parts.database(engine_of(settings.database, SCHEMA + parts.deduplication.schema))
    except StorageFailed as cause:
        raise CannotStart(f"cannot use the database {settings.database}: {cause}") from cause


def engine_of(url: str, schema: str) -> Engine:
    """Return the engine for a URL of ``DB``; raises ``CannotStart`` where its library is missing."""
    if url.startswith("sqlite:"):
        return Sqlite(Path(url.removeprefix("sqlite:")), schema)
    try:
        from harness.reference.postgres import Postgres  # noqa: PLC0415 - an optional dependency
    except ImportError as missing:
        raise CannotStart(f"a postgresql:// database needs {missing.name}: {HOW_TO_GET_LIBRARIES}") from missing
    return Postgres(url, schema)


def bus_of(settings: Settings) -> Bus:
    """Return the way to other instances; raises ``CannotStart`` where its library is missing."""
    if settings.cache is None:
        return NoBus()
    try:
        from harness.reference.redis_bus import RedisBus  # noqa: PLC0415 - an optional dependency
    except ImportError as missing:
        raise CannotStart(f"a redis:// cache needs {missing.name}: {HOW_TO_GET_LIBRARIES}") from missing
    database = urlsplit(settings.database).path.strip("/")
    return RedisBus(settings.cache, f"chat:{database}", write_line)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises ``CannotStart``."""
    try:
        listener = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as cause:
        raise CannotStart(f"cannot listen on {host}:{port}: {cause.strerror or cause}") from cause
    # Accepted sockets inherit it. asyncio sets it only on sockets that were made with an explicit IPPROTO_TCP, and
    # without it a second small write waits 40 ms for the peer's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def server_of(app: Starlette, websockets: Upgrading | None = None) -> Server:
    """Return a server for one port; ``websockets`` takes its upgrades, which else go to the routes of the app."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws=cast("type[asyncio.Protocol]", websockets) if websockets else "websockets-sansio",
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        backlog=BACKLOG,
    )
    return Server(config)


async def serve(
    settings: Settings, service: Service, chat_socket: socket.socket, control: socket.socket | None
) -> None:
    """Serve both ports until told to stop, then finish what is written."""
    chat_server = server_of(service.app, service.websockets)
    servers = [(chat_server, chat_socket)]

    def stop() -> None:
        for server, _ in servers:
            server.should_exit = True

    async def stats() -> dict[str, object]:
        return {
            "connections": len(chat_server.server_state.connections),
            "sessions": len(service.sessions),
            "messages": await service.messages.count(),
        }

    if control is not None:
        handlers = Control(
            service.database, service.limiter, service.push_store, write_line, service.tokens, stats, stop
        )
        servers.append((server_of(control_app(settings.control_token, handlers)), control))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    write_line("started", port=settings.port, mutant=settings.mutant or None)
    await service.push_worker.start()
    upkeep = asyncio.create_task(service.upkeep.run())
    upkeep.add_done_callback(_told_when_broken)
    await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in servers))
    upkeep.cancel()
    await asyncio.wait([upkeep])
    await service.push_worker.stop()
    service.database.close()
    write_line("stopped")


def _told_when_broken(upkeep: asyncio.Task[None]) -> None:
    if not upkeep.cancelled() and (cause := upkeep.exception()) is not None:
        write_line("upkeep_failed", cause=repr(cause))


def run(settings: Settings) -> None:
    """Start the service and serve; raises ``CannotStart``."""
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(GARBAGE_AFTER, 20, 50)
    chat_socket = listen(settings.host, settings.port)
    control = listen(settings.host, settings.control_port) if settings.control_port else None
    logging.basicConfig(level=logging.WARNING, handlers=[LibraryLines()])

    async def assembled() -> None:
        await serve(settings, assemble(settings, parts_of(settings.mutant)), chat_socket, control)

    asyncio.run(assembled())


def main() -> int:
    """Run the service as the environment says and return the exit code."""
    try:
        run(Settings.of(os.environ))
    except WrongSettings as wrong:
        sys.stderr.write(f"reference chat: {wrong}\n")
        return EXIT_WRONG_SETTINGS
    except CannotStart as cause:
        sys.stderr.write(f"reference chat: {cause}\n")
        return EXIT_CANNOT_START
    return 0


if __name__ == "__main__":
    sys.exit(main())
