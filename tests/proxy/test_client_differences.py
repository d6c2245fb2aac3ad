"""Where the embedded server differs from Toxiproxy on purpose: both sides of each difference are asserted."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from harness.testing.proxy_servers import RunningServer, running_server

Dial = Callable[[str], AbstractContextManager[Any]]


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
    assert observed == {"toxiproxy": toxiproxy, "embedded": embedded}[server.kind]


def test_version_tells_which(toxiproxy_server: RunningServer, http_api: Any) -> None:
    """The embedded server's version is Toxiproxy's with a mark of its own."""
    told = http_api.get("/version").json["version"]
    expect(toxiproxy_server, told.endswith("+chat-chaos"), toxiproxy=False, embedded=True)


def test_toxics_at_creation(toxiproxy_server: RunningServer, http_api: Any, echo: str) -> None:
    """Toxiproxy silently drops toxics given with a proxy; the embedded server makes them with it."""
    entry = {"name": "p", "upstream": echo, "listen": "127.0.0.1:0", "toxics": [{"type": "noop", "name": "t"}]}
    made = http_api.post("/proxies", entry).json["toxics"]
    expect(toxiproxy_server, [toxic["name"] for toxic in made], toxiproxy=[], embedded=["t"])
    populated = http_api.post("/populate", [{**entry, "name": "q"}]).json["proxies"][0]["toxics"]
    expect(toxiproxy_server, [toxic["name"] for toxic in populated], toxiproxy=[], embedded=["t"])


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


def test_reset_peer_on_open_connections(
    toxiproxy_server: RunningServer, http_api: Any, listen: str, dial: Dial
) -> None:
    """A connection older than the reset_peer toxic ends by FIN at Toxiproxy, by RST at the embedded server."""
    with dial(listen) as connection:
        connection.round_trip(b"x")
        http_api.post("/proxies/p/toxics", {"type": "reset_peer"})
        connection.send(b"y")
        expect(toxiproxy_server, ending(connection), toxiproxy="FIN", embedded="RST")


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


def test_counters_are_live(toxiproxy_server: RunningServer, http_api: Any, listen: str, dial: Dial) -> None:
    """Toxiproxy counts when a connection ends, and only for its metrics; the embedded server counts while it lives."""
    with dial(listen) as connection:
        connection.round_trip(b"four")
        answer = http_api.get("/proxies/p/counters")
        expect(toxiproxy_server, answer.status, toxiproxy=404, embedded=200)
        if answer.status == 200:
            seen = {key: answer.json[key] for key in ("opened", "closed", "bytes_up", "bytes_down")}
            assert seen == {"opened": 1, "closed": 0, "bytes_up": 4, "bytes_down": 4}


def test_metrics_without_a_flag(toxiproxy_server: RunningServer, http_api: Any) -> None:
    """Toxiproxy has /metrics only when started with a flag; the embedded server always."""
    answer = http_api.get("/metrics")
    expect(toxiproxy_server, answer.status, toxiproxy=404, embedded=200)


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
