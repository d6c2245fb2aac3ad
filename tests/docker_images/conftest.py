"""An engine for those who need one, and stand-ins for those who do not."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.testing.container_engine import required_engine

if TYPE_CHECKING:
    from docker.client import DockerClient


@pytest.fixture
def engine() -> Iterator[DockerClient]:
    """A client of this machine's engine."""
    with closing(required_engine()) as client:
        yield client


class _Answers(BaseHTTPRequestHandler):
    """As much of an engine as a client asks for before it is content."""

    def do_GET(self) -> None:
        body = b'{"ApiVersion": "1.41", "Version": "0"}' if "version" in self.path else b"OK"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def address_string(self) -> str:
        return "local"


class _Listener(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@pytest.fixture
def listening_engine(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes sockets at which something listens that answers as an engine does."""
    servers: list[_Listener] = []

    def make(name: str) -> Path:
        server = _Listener(str(tmp_path / name), _Answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return tmp_path / name

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()
