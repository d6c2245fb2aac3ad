"""Where the embedded server differs from Toxiproxy on purpose: both sides of each row of the table in docs/proxy.md.

Whatever is not in that table is the same: the other test modules of this folder ask it of every server alike.
"""

from __future__ import annotations

import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from harness.testing.proxy_servers import RunningServer, running_server

Dial = Callable[[str], AbstractContextManager[Any]]
Test = TypeVar("Test", bound=Callable[..., None])
PAGE = Path(__file__).parents[2] / "docs" / "proxy.md"
SHOWN: dict[str, str] = {}
"""Which test shows which row of the table."""


def shows(difference: str) -> Callable[[Test], Test]:
    """Say which row of the table a test asserts."""

    def note(test: Test) -> Test:
        SHOWN[difference] = test.__name__
        return test

    return note


def test_every_row_of_the_table_is_asserted() -> None:
    """The page lists exactly the differences that are tested here."""
    table = PAGE.read_text(encoding="utf-8").partition("## Intended differences")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \|", table, flags=re.MULTILINE)
    assert sorted(rows) == sorted(SHOWN)


@pytest.fixture
def listen(http_api: Any, echo: str) -> str:
    """``host:port`` of a proxy named ``p`` to an echo server."""
    made = http_api.post("/proxies", {"name": "p", "upstream": echo, "listen": "127.0.0.1:0"})
    return str(made.json["listen"])


def ending(connection: Any) -> str:
    """How a connection ends: by ``FIN`` or by ``RST``."""
    try:
        assert connection.receive(1) == b""
    except ConnectionResetError:
        return "RST"
    return "FIN"


def expect(server: RunningServer, observed: object, *, toxiproxy: object, embedded: object) -> None:
    """Compare with what this kind of server is meant to do."""
    assert observed == {"toxiproxy": toxiproxy, "image": toxiproxy, "embedded": embedded}[server.kind]


@shows("version")
def test_version_tells_which(toxiproxy_server: RunningServer, http_api: Any) -> None:
    """The embedded server's version is Toxiproxy's with a mark of its own."""
    told = http_api.get("/version").json["version"]
    expect(toxiproxy_server, told.endswith("+chat-chaos"), toxiproxy=False, embedded=True)


@shows("toxics-at-creation")
def test_toxics_at_creation(toxiproxy_server: RunningServer, http_api: Any, echo: str) -> None:
    """Toxiproxy silently drops toxics given with a proxy; the embedded server makes them with it."""
    entry = {"name": "p", "upstream": echo, "listen": "127.0.0.1:0", "toxics": [{"type": "noop", "name": "t"}]}
    made = http_api.post("/proxies", entry).json["toxics"]
    expect(toxiproxy_server, [toxic["name"] for toxic in made], toxiproxy=[], embedded=["t"])
    populated = http_api.post("/populate", [{**entry, "name": "q"}]).json["proxies"][0]["toxics"]
    expect(toxiproxy_server, [toxic["name"] for toxic in populated], toxiproxy=[], embedded=["t"])


@shows("half-close")
def test_half_close(toxiproxy_server: RunningServer, listen: str, dial: Dial) -> None:
    """After the client's shutdown(WR) Toxiproxy ends both ways; the embedded server still delivers the answer."""
    with dial(listen) as connection:
        connection.round_trip(b"x")
        connection.send(b"last words")
        connection.socket.shutdown(socket.SHUT_WR)
        try:
            answer = connection.receive(10)
        except ConnectionResetError:
            answer = b""
    if toxiproxy_server.kind == "embedded":
        assert answer == b"last words"
    else:
        # It may win the race against its own closing.
        assert answer in {b"", b"last words"}


@shows("reset-open")
def test_reset_peer_on_open_connections(
    toxiproxy_server: RunningServer, http_api: Any, listen: str, dial: Dial
) -> None:
    """A connection older than the reset_peer toxic ends by FIN at Toxiproxy, by RST at the embedded server."""
    with dial(listen) as connection:
        connection.round_trip(b"x")
        http_api.post("/proxies/p/toxics", {"type": "reset_peer"})
        connection.send(b"y")
        expect(toxiproxy_server, ending(connection), toxiproxy="FIN", embedded="RST")


@shows("connections")
def test_connections_can_be_listed_and_reset(
    toxiproxy_server: RunningServer, http_api: Any, listen: str, dial: Dial
) -> None:
    """Toxiproxy has no route for connections; the embedded server lists them and ends one or all by RST."""
    with dial(listen) as first, dial(listen) as second:
        assert first.round_trip(b"abc") == b"abc"
        assert second.round_trip(b"abc") == b"abc"
        answer = http_api.get("/proxies/p/connections")
        expect(toxiproxy_server, answer.status, toxiproxy=404, embedded=200)
        if answer.status == 404:
            return
        clients = {one["client"]: one for one in answer.json}
        mine = clients["{}:{}".format(*first.socket.getsockname())]
        assert (len(clients), mine["bytes_up"], mine["bytes_down"]) == (2, 3, 3)
        assert http_api.delete(f"/proxies/p/connections/{mine['id']}").status == 204
        assert ending(first) == "RST"
        assert second.round_trip(b"def") == b"def"
        assert http_api.delete("/proxies/p/connections").status == 204
        assert ending(second) == "RST"


@shows("counters")
def test_counters_are_live(toxiproxy_server: RunningServer, http_api: Any, listen: str, dial: Dial) -> None:
    """Toxiproxy counts when a connection ends, and only for its metrics; the embedded server counts while it lives."""
    with dial(listen) as connection:
        connection.round_trip(b"four")
        answer = http_api.get("/proxies/p/counters")
        expect(toxiproxy_server, answer.status, toxiproxy=404, embedded=200)
        if answer.status == 200:
            seen = {key: answer.json[key] for key in ("opened", "closed", "bytes_up", "bytes_down")}
            assert seen == {"opened": 1, "closed": 0, "bytes_up": 4, "bytes_down": 4}


@shows("metrics")
def test_metrics_without_a_flag(toxiproxy_server: RunningServer, http_api: Any) -> None:
    """Toxiproxy has /metrics only when started with a flag; the embedded server always."""
    answer = http_api.get("/metrics")
    expect(toxiproxy_server, answer.status, toxiproxy=404, embedded=200)


@shows("slicer-zero")
@pytest.mark.slow
def test_slicer_of_size_zero(
    server_process: RunningServer, http_for: Callable[..., Any], echo: str, dial: Dial
) -> None:
    """A slicer with its default size kills Toxiproxy at the first byte; the embedded server survives it."""
    with running_server(server_process.kind) as server:
        api = http_for(server)
        listen = api.post("/proxies", {"name": "p", "upstream": echo, "listen": "127.0.0.1:0"}).json["listen"]
        api.post("/proxies/p/toxics", {"type": "slicer"})
        with dial(listen) as connection:
            # On a busy machine the stack takes its time to overflow.
            connection.socket.settimeout(60)
            connection.send(b"0123456789")
            try:
                passed = connection.receive(10)
            except ConnectionResetError:
                passed = b""
        expect(server, passed, toxiproxy=b"", embedded=b"0123456789")
        try:
            alive = api.get("/version").status == 200
        except OSError:
            alive = False
        expect(server, alive, toxiproxy=False, embedded=True)


@shows("logger-key")
def test_an_accident_of_go_is_left_out(toxiproxy_server: RunningServer, http_api: Any, listen: str) -> None:
    """Toxiproxy shows an empty ``Logger`` with each proxy, which no client reads."""
    assert listen
    expect(toxiproxy_server, "Logger" in http_api.get("/proxies/p").json, toxiproxy=True, embedded=False)


@shows("disabled-port")
def test_the_port_of_a_disabled_proxy(toxiproxy_server: RunningServer, http_api: Any, listen: str) -> None:
    """Toxiproxy gives the port back while the proxy is disabled; the embedded server keeps it from others."""
    http_api.post("/proxies/p", {"enabled": False})
    host, _, port = listen.rpartition(":")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken = False
        try:
            other.bind((host, int(port)))
        except OSError:
            taken = True
    expect(toxiproxy_server, taken, toxiproxy=False, embedded=True)


@shows("disable-resets")
def test_how_a_disabled_proxy_ends_its_connections(
    toxiproxy_server: RunningServer, http_api: Any, listen: str, dial: Dial
) -> None:
    """Toxiproxy closes them as if the service had; with the embedded server they break as on a cut line."""
    with dial(listen) as connection:
        connection.round_trip(b"x")
        http_api.post("/proxies/p", {"enabled": False})
        expect(toxiproxy_server, ending(connection), toxiproxy="FIN", embedded="RST")


@pytest.fixture
def hanging_up() -> Iterator[str]:
    """``host:port`` of a server that sends one byte and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                while True:
                    with listener.accept()[0] as client:
                        client.sendall(b"x")
            except OSError:
                return  # the listener was closed

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


@shows("reset-peer-spared")
def test_a_connection_that_toxicity_spares(
    toxiproxy_server: RunningServer, http_api: Any, hanging_up: str, dial: Dial
) -> None:
    """A reset_peer of toxicity 0 still makes Toxiproxy end new connections by RST; the embedded server leaves them."""
    made = http_api.post("/proxies", {"name": "p", "upstream": hanging_up, "listen": "127.0.0.1:0"})
    http_api.post("/proxies/p/toxics", {"type": "reset_peer", "toxicity": 0})
    try:
        with dial(made.json["listen"]) as connection:
            connection.receive(1)
            end = ending(connection)
    except ConnectionResetError:  # it may overtake the byte, and through an engine's port even the connecting
        end = "RST"
    expect(toxiproxy_server, end, toxiproxy="RST", embedded="FIN")


@shows("rolls")
@pytest.mark.slow
def test_who_is_struck_after_an_update(toxiproxy_server: RunningServer, http_api: Any, listen: str, dial: Dial) -> None:
    """Toxiproxy rolls anew for each connection when a toxic is updated; the embedded server decides once for all."""
    http_api.post(
        "/proxies/p/toxics", {"type": "latency", "name": "t", "toxicity": 0.5, "attributes": {"latency": 2500}}
    )
    with ExitStack() as stack:
        connections = [stack.enter_context(dial(listen)) for _ in range(24)]
        before = struck(connections)
        http_api.post("/proxies/p/toxics/t", {"attributes": {"latency": 2501}})
        same = struck(connections) == before
    assert 0 < len(before) < 24
    expect(toxiproxy_server, same, toxiproxy=False, embedded=True)


def struck(connections: list[Any]) -> set[int]:
    """Which connections have to wait for their byte; all bytes are taken in the end."""
    for connection in connections:
        connection.send(b"x")
    waiting = {connection.socket: number for number, connection in enumerate(connections)}
    deadline = time.monotonic() + 1.6
    while (left := deadline - time.monotonic()) > 0:
        for sock in select.select(list(waiting), [], [], left)[0]:
            assert sock.recv(1) == b"x"
            del waiting[sock]
    for sock in waiting:
        assert sock.recv(1) == b"x"
    return set(waiting.values())


@shows("removal")
@pytest.mark.slow
def test_removing_a_toxic_whose_peer_does_not_read(
    toxiproxy_server: RunningServer, http_for: Callable[..., Any], flood: Any, dial: Dial
) -> None:
    """Toxiproxy hangs in it (the adapter makes the proxy again); the embedded server has it done at once."""
    api = http_for(toxiproxy_server, patience_s=1.0)
    made = api.post("/proxies", {"name": "p", "upstream": flood.address, "listen": "127.0.0.1:0"})
    api.post("/proxies/p/toxics", {"type": "latency", "name": "t", "attributes": {"latency": 100}})
    with dial(made.json["listen"]):
        assert flood.full.wait(20)
        try:
            done = api.delete("/proxies/p/toxics/t").status == 204
        except TimeoutError:
            done = False
    expect(toxiproxy_server, done, toxiproxy=False, embedded=True)
    assert api.delete("/proxies/p").status == 204
