"""The embedded server, and a proxy in it of which the test holds both ends."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest

from harness.testing.proxy_servers import RunningServer, running_server

PATIENCE_S = 10.0


@pytest.fixture(scope="session")
def embedded() -> Iterator[RunningServer]:
    """One embedded server for all tests."""
    with running_server("embedded") as server:
        yield server


@pytest.fixture
def api(embedded: RunningServer, http_for: Callable[[RunningServer], Any]) -> Iterator[Any]:
    """Its HTTP API; proxies are gone after each test, and the server must still answer then."""
    api = http_for(embedded)
    yield api
    for name in api.get("/proxies").json:
        assert api.delete(f"/proxies/{quote(name)}").status == 204


def at(name: tuple[str, int]) -> str:
    """Return a socket's name as the API writes it."""
    return f"{name[0]}:{name[1]}"


@dataclass
class Ends:
    """Both ends of one proxied connection."""

    client: socket.socket
    server: socket.socket

    def close(self) -> None:
        """Close both."""
        self.client.close()
        self.server.close()


@dataclass
class Link:
    """A proxy whose upstream is the test itself."""

    api: Any
    name: str
    listen: tuple[str, int]
    upstream: socket.socket
    opened: list[Ends] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the proxy listens, as the API writes it."""
        return at(self.listen)

    def connect(self) -> Ends:
        """Open a connection through the proxy and take it at the other end."""
        client = socket.create_connection(self.listen, timeout=PATIENCE_S)
        server, _ = self.upstream.accept()
        for end in (client, server):
            end.settimeout(PATIENCE_S)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ends = Ends(client, server)
        self.opened.append(ends)
        return ends

    def add(self, type_: str, *, stream: str = "downstream", toxicity: float = 1, **attributes: int) -> None:
        """Install a toxic named after its type."""
        toxic = {"name": type_, "type": type_, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        answer = self.api.post(f"/proxies/{self.name}/toxics", toxic)
        assert answer.status == 200, answer.body

    def change(self, name: str, **attributes: int) -> None:
        """Update a toxic's attributes."""
        assert self.api.patch(f"/proxies/{self.name}/toxics/{name}", {"attributes": attributes}).status == 200

    def remove(self, name: str) -> None:
        """Delete a toxic."""
        assert self.api.delete(f"/proxies/{self.name}/toxics/{name}").status == 204

    def enable(self, *, on: bool) -> None:
        """Enable or disable the proxy."""
        assert self.api.patch(f"/proxies/{self.name}", {"enabled": on}).status == 200

    def counters(self) -> dict[str, int]:
        """Read the counters."""
        counters: dict[str, int] = self.api.get(f"/proxies/{self.name}/counters").json
        return counters


@pytest.fixture
def link(api: Any) -> Iterator[Callable[..., Link]]:
    """Make proxies, with toxics if given."""
    with ExitStack() as stack:

        def make(name: str = "link", toxics: list[Mapping[str, Any]] | None = None) -> Link:
            upstream = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
            upstream.settimeout(PATIENCE_S)
            wanted = {"name": name, "listen": "127.0.0.1:0", "upstream": at(upstream.getsockname())}
            answer = api.post("/proxies", {**wanted, "toxics": toxics or []})
            assert answer.status == 201, answer.body
            host, _, port = answer.json["listen"].rpartition(":")
            made = Link(api, name, (host, int(port)), upstream)
            stack.callback(lambda: [ends.close() for ends in made.opened])
            return made

        yield make


@pytest.fixture
def ending() -> Callable[[socket.socket], str]:
    """Tell how a connection ends: ``fin``, ``rst``, or ``data`` and ``open`` when it does not."""

    def how(end: socket.socket, patience_s: float = PATIENCE_S) -> str:
        end.settimeout(patience_s)
        try:
            return "data" if end.recv(65536) else "fin"
        except ConnectionResetError:
            return "rst"
        except TimeoutError:
            return "open"

    return how


@pytest.fixture
def receive() -> Callable[[socket.socket, int], bytes]:
    """Receive so many bytes, fewer when the stream ends."""

    def exactly(end: socket.socket, size: int) -> bytes:
        got = bytearray()
        while len(got) < size and (data := end.recv(size - len(got))):
            got += data
        return bytes(got)

    return exactly


@pytest.fixture
def reset() -> Callable[[socket.socket], None]:
    """Close a socket with RST."""

    def abort(end: socket.socket) -> None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()

    return abort


@pytest.fixture
def stopwatch() -> Callable[[], Callable[[], float]]:
    """Start a stopwatch; call what it gives to read the seconds."""

    def start() -> Callable[[], float]:
        begun = time.monotonic()
        return lambda: time.monotonic() - begun

    return start


@pytest.fixture
def server_with() -> Callable[..., Any]:
    """Run a server with the given arguments for the length of a block."""

    @contextmanager
    def run(*arguments: str) -> Iterator[RunningServer]:
        ready, tell = os.pipe()
        argv = [sys.executable, "-m", "harness.proxy.server", "--port", "0", "--ready-fd", str(tell), *arguments]
        process = subprocess.Popen(argv, pass_fds=[tell], stderr=subprocess.DEVNULL)
        os.close(tell)
        try:
            with os.fdopen(ready) as told:
                port = int(told.readline().rpartition(":")[2])
            yield RunningServer("embedded", process.pid, port)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)

    return run
