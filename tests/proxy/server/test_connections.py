"""How connections begin and end, what is counted, and what the sender feels."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from harness.testing.proxy_servers import RunningServer

LinkMaker = Callable[..., Any]
Ending = Callable[..., str]
Receive = Callable[[socket.socket, int], bytes]
Reset = Callable[[socket.socket], None]


@pytest.mark.parametrize("toxics", [[], [{"type": "latency", "attributes": {"latency": 20}}]])
def test_half_close_is_kept(link: LinkMaker, receive: Receive, toxics: list[Any]) -> None:
    """After one side's FIN the other can still answer, with and without toxics."""
    ends = link(toxics=toxics).connect()
    ends.client.sendall(b"question")
    ends.client.shutdown(socket.SHUT_WR)
    assert receive(ends.server, 100) == b"question"
    ends.server.sendall(b"answer")
    ends.server.close()
    assert receive(ends.client, 100) == b"answer"


@pytest.mark.parametrize("from_client", [True, False])
def test_rst_passes_through(link: LinkMaker, ending: Ending, reset: Reset, *, from_client: bool) -> None:
    """An end that resets is seen as a reset by the other, and not counted as the proxy's doing."""
    tunnel = link()
    ends = tunnel.connect()
    near, far = (ends.client, ends.server) if from_client else (ends.server, ends.client)
    far.sendall(b"up and running")
    assert near.recv(100) == b"up and running"
    reset(near)
    assert ending(far) == "rst"
    counters = tunnel.counters()
    assert (counters["opened"], counters["closed"], counters["cut"]) == (1, 1, 0)


def test_bytes_sent_before_a_reset_arrive(link: LinkMaker, receive: Receive, reset: Reset) -> None:
    """Bytes that a toxic delays arrive although their sender has reset meanwhile, as on a real network."""
    ends = link(toxics=[{"type": "latency", "stream": "upstream", "attributes": {"latency": 150}}]).connect()
    ends.client.sendall(b"last words")
    reset(ends.client)
    assert receive(ends.server, 10) == b"last words"


def test_dead_upstream_is_accepted_and_closed(api: Any, free_address: Callable[[], str], ending: Ending) -> None:
    """The connect succeeds and ends at once; it counts as refused, not as opened."""
    listen = api.post("/proxies", {"name": "dead", "listen": "127.0.0.1:0", "upstream": free_address()}).json["listen"]
    with socket.create_connection(("127.0.0.1", int(listen.rpartition(":")[2])), timeout=5) as client:
        assert ending(client) == "fin"
    counters = api.get("/proxies/dead/counters").json
    assert (counters["refused"], counters["opened"], counters["closed"]) == (1, 0, 0)


@pytest.mark.parametrize("upstream", ["nonsense", "no.such.host.invalid:80", ":0"])
def test_unreachable_upstreams_are_refused(api: Any, ending: Ending, upstream: str) -> None:
    """An upstream that cannot be understood or found ends connections, not the server."""
    listen = api.post("/proxies", {"name": "lost", "listen": "127.0.0.1:0", "upstream": upstream}).json["listen"]
    with socket.create_connection(("127.0.0.1", int(listen.rpartition(":")[2])), timeout=5) as client:
        assert ending(client, 30) == "fin"


def test_upstream_by_name(api: Any, echo: str) -> None:
    """``localhost`` needs no name server."""
    proxy = {"name": "named", "listen": "localhost:0", "upstream": f"localhost:{echo.rpartition(':')[2]}"}
    listen = api.post("/proxies", proxy).json["listen"]
    with socket.create_connection(("127.0.0.1", int(listen.rpartition(":")[2])), timeout=5) as client:
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"


def test_disabled_proxy_resets_and_refuses(link: LinkMaker, ending: Ending, receive: Receive) -> None:
    """Open connections get RST at both ends, connects are refused, and the port comes back."""
    tunnel = link()
    ends = tunnel.connect()
    tunnel.enable(on=False)
    assert ending(ends.client) == ending(ends.server) == "rst"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(tunnel.listen, timeout=5)
    assert tunnel.counters()["cut"] == 1
    tunnel.enable(on=True)
    fresh = tunnel.connect()
    fresh.client.sendall(b"back")
    assert receive(fresh.server, 4) == b"back"


def test_disabled_proxy_keeps_its_port(link: LinkMaker) -> None:
    """Nobody else can bind the port while the proxy is disabled, and everybody can once it is deleted."""
    tunnel = link()
    for _ in range(3):
        tunnel.connect()
        tunnel.enable(on=False)
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                thief.bind(tunnel.listen)
        tunnel.enable(on=True)
    assert tunnel.api.delete("/proxies/link").status == 204
    with socket.create_server(tunnel.listen):
        pass


def test_another_proxy_may_take_a_kept_port(link: LinkMaker, api: Any) -> None:
    """As with Toxiproxy, a second proxy can listen where a disabled one did; that one then finds the port busy."""
    tunnel = link()
    tunnel.enable(on=False)
    assert api.post("/proxies", {"name": "heir", "listen": tunnel.address, "upstream": "x:1"}).status == 201
    refused = api.patch("/proxies/link", {"enabled": True})
    assert refused.status == 500
    assert "address already in use" in refused.json["error"]
    assert api.delete("/proxies/heir").status == 204
    tunnel.enable(on=True)
    tunnel.connect()


def test_update_of_the_upstream_moves_and_cuts(link: LinkMaker, api: Any, ending: Ending, echo: str) -> None:
    """Open connections are cut, the port and the toxics stay, new connections go to the new place."""
    tunnel = link()
    ends = tunnel.connect()
    tunnel.add("noop")
    changed = api.patch("/proxies/link", {"upstream": echo}).json
    assert changed["listen"] == tunnel.address
    assert [toxic["name"] for toxic in changed["toxics"]] == ["noop"]
    assert ending(ends.client) == "rst"
    with socket.create_connection(tunnel.listen, timeout=5) as client:
        client.sendall(b"echo")
        assert client.recv(4) == b"echo"


def test_connections_are_listed_and_killed(link: LinkMaker, api: Any, ending: Ending, receive: Receive) -> None:
    """Each is told with its addresses and bytes; one or all can be reset."""
    tunnel = link()
    pairs = [tunnel.connect() for _ in range(3)]
    pairs[1].client.sendall(b"12345")
    assert receive(pairs[1].server, 5) == b"12345"
    listed = api.get("/proxies/link/connections").json
    assert [entry["client"] for entry in listed] == [_at(pair.client.getsockname()) for pair in pairs]
    assert [entry["upstream_local"] for entry in listed] == [_at(pair.server.getpeername()) for pair in pairs]
    assert [entry["bytes_up"] for entry in listed] == [0, 5, 0]
    assert api.delete(f"/proxies/link/connections/{listed[1]['id']}").status == 204
    assert ending(pairs[1].client) == ending(pairs[1].server) == "rst"
    assert api.delete(f"/proxies/link/connections/{listed[1]['id']}").status == 404
    assert api.delete("/proxies/link/connections").status == 204
    assert ending(pairs[0].client) == ending(pairs[2].client) == "rst"
    assert api.get("/proxies/link/connections").json == []
    assert tunnel.counters()["cut"] == 3


def test_counters_are_live_and_survive_the_connection(link: LinkMaker, receive: Receive, ending: Ending) -> None:
    """Bytes count while the connection is open and stay counted after it."""
    tunnel = link()
    ends = tunnel.connect()
    ends.client.sendall(b"12345")
    assert receive(ends.server, 5) == b"12345"
    ends.server.sendall(b"123")
    assert receive(ends.client, 3) == b"123"
    expected = {
        "opened": 1,
        "cut": 0,
        "refused": 0,
        "bytes_up": 5,
        "bytes_down": 3,
        "held_bytes": 0,
        "delayed_bytes": 0,
    }
    assert tunnel.counters() == {**expected, "closed": 0}
    ends.client.close()
    assert ending(ends.server) == "fin"
    ends.server.close()
    _until(lambda: tunnel.counters()["closed"] == 1)
    assert tunnel.counters() == {**expected, "closed": 1}


@pytest.mark.parametrize(
    ("toxics", "bound"), [([], 32), ([{"type": "latency", "attributes": {"latency": 60_000}}], 64)]
)
def test_a_slow_reader_slows_the_sender(link: LinkMaker, embedded: RunningServer, toxics: Any, bound: int) -> None:
    """What nobody reads is not taken without end: the sender blocks and the server stays small (MiB)."""
    ends = link(toxics=toxics).connect()
    ends.server.settimeout(0.3)
    sent = 0
    chunk = bytes(1024 * 1024)
    with suppress(TimeoutError):
        while sent <= bound:
            ends.server.sendall(chunk)
            sent += 1
    assert sent <= bound
    assert _resident_mib(embedded.pid) < bound + 64


def test_everything_arrives_at_a_reader_that_wakes_up(link: LinkMaker, receive: Receive) -> None:
    """Pausing and resuming loses and swaps nothing, with toxics coming and going meanwhile."""
    tunnel = link()
    ends = tunnel.connect()
    sent = bytes(range(256)) * (32 * 1024)
    sender = threading.Thread(target=ends.server.sendall, args=(sent,))
    sender.start()
    got = receive(ends.client, 100_000)
    for type_, attributes in (
        ("latency", {"latency": 5}),
        ("slicer", {"average_size": 5000}),
        ("bandwidth", {"rate": 0}),
    ):
        tunnel.add(type_, **attributes)
        if type_ != "bandwidth":
            got += receive(ends.client, 700_000)
    for type_ in ("latency", "bandwidth", "slicer"):
        tunnel.remove(type_)
    got += receive(ends.client, len(sent) - len(got))
    sender.join()
    assert got == sent


@pytest.mark.parametrize(
    "type_", ["latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data"]
)
def test_removal_returns_though_nobody_reads(link: LinkMaker, type_: str) -> None:
    """The deadlock of Toxiproxy's issue 558: its sink stands still, the toxic still comes out at once."""
    tunnel = link()
    ends = tunnel.connect()
    ends.server.settimeout(0.1)
    with pytest.raises(TimeoutError):
        ends.server.sendall(bytes(64 * 1024 * 1024))
    tunnel.add(type_)
    tunnel.remove(type_)
    tunnel.enable(on=False)


def _at(name: tuple[str, int]) -> str:
    return f"{name[0]}:{name[1]}"


def _until(true: Callable[[], bool]) -> None:
    """Ask again until it holds, for a second at most: the proxy hears of an end a moment after the test."""
    pause = threading.Event()
    assert any(true() or pause.wait(0.01) for _ in range(100))


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1024 / 1024
