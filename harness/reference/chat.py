"""The reference chat backend as a process: ``python -m harness.reference.chat``.

Exit codes: 0 after an orderly stop, 2 for wrong settings, 3 when a port or the database cannot be had.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Generator
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from harness.reference import accounts, messages
from harness.reference.accounts import Accounts
from harness.reference.clock import system_clock
from harness.reference.control import control_app
from harness.reference.database import Database
from harness.reference.frames import MAX_FRAME_BYTES, Refused
from harness.reference.live import Live
from harness.reference.log import LibraryLines, write_line
from harness.reference.messages import Messages
from harness.reference.mutants import parts_of
from harness.reference.parts import Parts
from harness.reference.service import Chat
from harness.reference.sessions import Sessions
from harness.reference.settings import Settings, WrongSettings
from harness.reference.web import Http, on_refused

EXIT_WRONG_SETTINGS = 2
EXIT_CANNOT_START = 3
GRACE_S = 1
BACKLOG = 2048


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
    database: Database
    messages: Messages
    sessions: Sessions


def assemble(settings: Settings, parts: Parts) -> Service:
    """Put the service together on its database; raises ``CannotStart``."""
    schema = accounts.SCHEMA + messages.SCHEMA + parts.deduplication.schema
    try:
        database = parts.database(settings.database, schema)
    except sqlite3.Error as cause:
        raise CannotStart(f"cannot use the database {settings.database}: {cause}") from cause
    sessions = parts.sessions()
    people = Accounts(database, system_clock, settings.token_ttl_s)
    store = Messages(database, parts.deduplication(), system_clock)
    live = Live(people, sessions, Chat(store, sessions, write_line), write_line, system_clock)
    http = Http(people, store, write_line, settings.advertised_url)
    routes = [
        Route("/v1/register", http.register, methods=["POST"]),
        Route("/v1/login", http.login, methods=["POST"]),
        Route("/v1/archive", http.archive, methods=["GET"]),
        Route("/healthz", http.healthz, methods=["GET"]),
        WebSocketRoute("/v1/ws", live.endpoint),
    ]
    app = Starlette(routes=routes, exception_handlers={Refused: on_refused})
    return Service(app, database, store, sessions)


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


def server_of(app: Starlette) -> Server:
    """Return a server for one port."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="websockets-sansio",
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
    chat_server = server_of(service.app)
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
        servers.append((server_of(control_app(settings.control_token, stats, stop)), control))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    write_line("started", port=settings.port, mutant=settings.mutant or None)
    await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in servers))
    service.database.close()
    write_line("stopped")


def run(settings: Settings) -> None:
    """Start the service and serve; raises ``CannotStart``."""
    chat_socket = listen(settings.host, settings.port)
    control = listen("127.0.0.1", settings.control_port) if settings.control_port else None
    service = assemble(settings, parts_of(settings.mutant))
    logging.basicConfig(level=logging.WARNING, handlers=[LibraryLines()])
    asyncio.run(serve(settings, service, chat_socket, control))


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
