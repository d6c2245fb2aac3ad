"""PostgreSQL and Redis as processes of a test: found, started on a free port with data in a folder, ended by pid."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Self

from harness.core.errors import EnvironmentFault
from harness.testing.lacking import lacking
from harness.testing.reference_chat import free_port

Server = Literal["postgres", "redis"]

HOST = "127.0.0.1"
START_WITHIN_S = 30.0
END_WITHIN_S = 10.0
POLL_S = 0.02
OWNER = "postgres"
"""PostgreSQL refuses to run as root: root runs it as this user, which its package makes."""
_PROGRAMS = {"postgres": "postgres", "redis": "redis-server"}
_PACKAGES = {"postgres": "postgresql", "redis": "redis-server"}
# Debian keeps the server's programs off PATH, in a folder for each version.
_POSTGRES_FOLDERS = Path("/usr/lib/postgresql")
_POSTGRES = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "16MB",
    "fsync": "off",  # processes are killed here, machines are not
    "log_min_messages": "fatal",
}


def find(server: Server) -> str | None:
    """Path of a server's program on this machine, or None."""
    folders = sorted(_POSTGRES_FOLDERS.glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])
    return shutil.which(_PROGRAMS[server], path=path)


def how_to_get(server: Server) -> str:
    """Say how to get a server's program."""
    return f"apt-get install {_PACKAGES[server]}"


def required(server: Server) -> None:
    """Skip the test where a server's program is missing, fail it where ``CHAT_CHAOS_REQUIRE`` lists the server."""
    if find(server) is None:
        lacking(server, f"needs {_PROGRAMS[server]}: {how_to_get(server)}")


class DataServer:
    """A server's process on a port of its own; ended and started again on the same data."""

    def __init__(self, argv: Sequence[str], port: int, *, stop: signal.Signals, user: str | None = None) -> None:
        self.port = port
        self._argv = argv
        self._stop = stop
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start the process and wait until it listens; ``EnvironmentFault`` when it does not."""
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            self._argv,
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            user=self._user,
            group=self._user,
            extra_groups=_none(self._user),
        )
        end = time.monotonic() + START_WITHIN_S
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(OSError), socket.create_connection((HOST, self.port), timeout=1):
                return self
            time.sleep(POLL_S)
        self.end()
        raise EnvironmentFault(f"{self._argv[0]} did not start to listen: run it by hand to see why.")

    def end(self, how: signal.Signals | None = None) -> None:
        """End the process in its own way, or by a signal."""
        if self._process is None:
            return
        self._process.send_signal(how or self._stop)
        try:
            self._process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class PostgresServer(DataServer):
    """A PostgreSQL that trusts everybody on this machine; its user is ``chat``."""

    def url(self, database: str, *, port: int | None = None) -> str:
        """Return the address of a database, directly or through a proxy's port."""
        return f"postgresql://chat@{HOST}:{port or self.port}/{database}"

    def create(self, database: str) -> str:
        """Make an empty database and return its address."""
        import psycopg  # noqa: PLC0415 - an optional dependency

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
        return self.url(database)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a PostgreSQL of one's own for the length of the block; raises ``EnvironmentFault`` without its program."""
    program, port = _needed("postgres"), free_port()
    user = OWNER if os.getuid() == 0 else None
    with TemporaryDirectory(prefix="chat-chaos-postgres-") as folder:
        data = Path(folder) / "data"
        if user is not None:
            shutil.chown(folder, user, user)
        _initialise(program, data, user)
        settings = [f"-c{name}={value}" for name, value in _POSTGRES.items()]
        server = PostgresServer(
            [program, "-D", str(data), "-p", str(port), *settings], port, stop=signal.SIGINT, user=user
        )
        try:
            yield server.start()
        finally:
            server.end()


def _initialise(program: str, data: Path, user: str | None) -> None:
    argv = [
        str(Path(program).with_name("initdb")),
        "-D",
        str(data),
        "-U",
        "chat",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
    ]
    told = subprocess.run(
        [*argv, "--locale=C"],
        capture_output=True,
        text=True,
        check=False,
        user=user,
        group=user,
        extra_groups=_none(user),
    )
    if told.returncode:
        raise EnvironmentFault(f"initdb failed: {told.stderr.strip()[-200:]}")


@contextmanager
def redis_server() -> Iterator[DataServer]:
    """Run a Redis of one's own, which keeps nothing, for the length of the block."""
    program, port = _needed("redis"), free_port()
    with TemporaryDirectory(prefix="chat-chaos-redis-") as folder:
        argv = [program, "--bind", HOST, "--port", str(port), "--dir", folder, "--save", "", "--appendonly", "no"]
        server = DataServer(argv, port, stop=signal.SIGTERM)
        try:
            yield server.start()
        finally:
            server.end()


def _needed(server: Server) -> str:
    program = find(server)
    if program is None:
        raise EnvironmentFault(f"{_PROGRAMS[server]} was not found.", hint=how_to_get(server))
    return program


def _none(user: str | None) -> list[str] | None:
    return None if user is None else []
