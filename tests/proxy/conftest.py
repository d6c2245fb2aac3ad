"""Both servers, and the small peers that the proxy tests need: the same tests run against each server."""

from __future__ import annotations

import http.client
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import pytest

from harness.testing.container_engine import required_engine
from harness.testing.proxy_servers import RunningServer, required_toxiproxy, running_server

PATIENCE_S = 5.0
SERVERS = [
    "embedded",
    pytest.param("toxiproxy", marks=pytest.mark.toxiproxy),
    pytest.param("image", marks=pytest.mark.docker),
]


@pytest.fixture(scope="session", params=SERVERS)
def server_process(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """Run each server once for all tests of a session."""
    if request.param == "toxiproxy":
        required_toxiproxy()
    elif request.param == "image":
        required_engine().close()
    with running_server(request.param) as server:
        yield server


@pytest.fixture(scope="session")
def real_toxiproxy() -> None:
    """Run the test only where the real Toxiproxy is."""
    required_toxiproxy()


@pytest.fixture
def toxiproxy_server(server_process: RunningServer) -> RunningServer:
    """Each server in turn, without proxies."""
    http_api = Http(server_process)
    for name in http_api.get("/proxies").json:
        assert http_api.delete(f"/proxies/{name}").status == 204
    return server_process


@dataclass(frozen=True, slots=True)
class Answer:
    """A raw answer of the HTTP API."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body decoded, whatever its type says."""
        return json.loads(self.body)

    @property
    def type(self) -> str:
        """The content type."""
        return self.headers.get("content-type", "")


class Http:
    """The HTTP API without any client library; a ``bytes`` body goes out as it is, anything else as JSON."""

    def __init__(self, server: RunningServer, patience_s: float = PATIENCE_S) -> None:
        self._address = (server.host, server.port)
        self._patience_s = patience_s

    def __call__(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection(*self._address, timeout=self._patience_s)
        payload = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, body=payload, headers=dict(headers or {}))
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, named, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        """GET."""
        return self("GET", path)

    def post(self, path: str, body: Any = None) -> Answer:
        """POST."""
        return self("POST", path, body)

    def patch(self, path: str, body: Any) -> Answer:
        """PATCH."""
        return self("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        """DELETE."""
        return self("DELETE", path)


@pytest.fixture
def http_api(toxiproxy_server: RunningServer) -> Http:
    """The HTTP API of each server in turn."""
    return Http(toxiproxy_server)


@pytest.fixture
def http_for() -> Callable[..., Http]:
    """Give the HTTP API of a server that the test itself started."""
    return Http


class _Echo(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                while data := self.request.recv(65536):
                    self.request.sendall(data)
            except OSError:
                return  # the proxy reset the connection: that is what many tests are about

    @classmethod
    def start(cls) -> Self:
        """Listen on a free port, serving from a thread."""
        server = cls(("127.0.0.1", 0), cls.Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return server


@pytest.fixture(scope="session")
def echo() -> Iterator[str]:
    """``host:port`` of a server that sends back what it gets."""
    with _Echo.start() as server:
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class _Sender(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Flood)
        self.request.settimeout(0.5)
        try:
            while True:
                self.request.sendall(bytes(65536))
        except TimeoutError:
            self.server.full.set()
            self.server.over.wait(PATIENCE_S * 4)
        except OSError:
            return  # the proxy gave the connection up


class Flood(socketserver.ThreadingTCPServer):
    """Sends without end to whoever connects; ``full`` is set once nobody takes any more."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Sender)
        self.full, self.over = threading.Event(), threading.Event()
        self.address = f"127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def flood() -> Iterator[Flood]:
    """A server that sends more than a peer that does not read can take."""
    with Flood() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


@pytest.fixture
def free_address() -> Callable[[], str]:
    """Give ``host:port`` on which nothing listens."""

    def find() -> str:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            return f"127.0.0.1:{probe.getsockname()[1]}"

    return find


class Dialled:
    """A client's connection through a proxy."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def receive(self, size: int) -> bytes:
        """Receive that many bytes, fewer when the connection ends."""
        got = b""
        while len(got) < size and (data := self.socket.recv(size - len(got))):
            got += data
        return got

    def round_trip(self, data: bytes) -> bytes:
        """Send and receive as much."""
        self.send(data)
        return self.receive(len(data))

    def ended(self) -> bool:
        """Wait for the end of the connection, by FIN or RST; False when data or nothing comes."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


@pytest.fixture
def dial() -> Callable[[str], Any]:
    """Give what opens a connection for the length of a block."""

    @contextmanager
    def dialling(address: str) -> Iterator[Dialled]:
        dialled = Dialled(address)
        with dialled.socket:
            yield dialled

    return dialling


@pytest.fixture
def refuses() -> Callable[[str], bool]:
    """Tell whether a connect to ``host:port`` is refused."""

    def refused(address: str) -> bool:
        host, _, port = address.rpartition(":")
        with socket.socket() as probe:
            probe.settimeout(PATIENCE_S)
            return probe.connect_ex((host, int(port))) != 0

    return refused
