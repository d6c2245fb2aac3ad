"""What each toxic does to bytes and to the end of a stream."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

LinkMaker = Callable[..., Any]
Ending = Callable[..., str]
Receive = Callable[[socket.socket, int], bytes]
Stopwatch = Callable[[], Callable[[], float]]


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_latency_delays_its_direction_only(
    link: LinkMaker, receive: Receive, stopwatch: Stopwatch, stream: str
) -> None:
    """A chunk arrives later in the toxic's direction and at once in the other."""
    tunnel = link()
    ends = tunnel.connect()
    tunnel.add("latency", stream=stream, latency=400)
    slow = (ends.client, ends.server) if stream == "upstream" else (ends.server, ends.client)
    for (sender, receiver), least, most in ((slow, 0.4, 3), (slow[::-1], 0, 0.35)):
        elapsed = stopwatch()
        sender.sendall(b"ping")
        assert receive(receiver, 4) == b"ping"
        assert least <= elapsed() < most


def test_latencies_add_up_and_keep_order(link: LinkMaker, receive: Receive, stopwatch: Stopwatch) -> None:
    """Two latencies in one stream add up, and jitter never swaps chunks."""
    jittery = {"type": "latency", "name": "two", "attributes": {"latency": 60, "jitter": 50}}
    tunnel = link(toxics=[{"type": "latency", "name": "one", "attributes": {"latency": 100}}, jittery])
    ends = tunnel.connect()
    elapsed = stopwatch()
    sent = b"".join(bytes([number]) * 3 for number in range(100))
    for start in range(0, len(sent), 3):
        ends.server.send(sent[start : start + 3])
    assert receive(ends.client, len(sent)) == sent
    assert 0.11 <= elapsed() < 3


def test_latency_leaves_room_for_bytes_under_way(link: LinkMaker, receive: Receive, stopwatch: Stopwatch) -> None:
    """A transfer takes one latency longer, not one per buffer."""
    tunnel = link()
    ends = tunnel.connect()
    tunnel.add("latency", latency=300)
    size = 16 * 1024 * 1024
    elapsed = stopwatch()
    sender = threading.Thread(target=ends.server.sendall, args=(bytes(size),))
    sender.start()
    assert len(receive(ends.client, size)) == size
    assert elapsed() < 10
    sender.join()
    assert tunnel.counters()["delayed_bytes"] == size


def test_latency_removed_lets_bytes_go_at_once(link: LinkMaker, receive: Receive) -> None:
    """Deleting the toxic flushes what it kept, in order and with the end behind it."""
    tunnel = link()
    ends = tunnel.connect()
    tunnel.add("latency", latency=60_000)
    ends.server.sendall(b"first")
    ends.server.sendall(b"second")
    ends.server.shutdown(socket.SHUT_WR)
    tunnel.remove("latency")
    assert receive(ends.client, 100) == b"firstsecond"


def test_latency_changed_counts_from_arrival(link: LinkMaker, receive: Receive) -> None:
    """An update acts on bytes that already wait."""
    tunnel = link()
    ends = tunnel.connect()
    tunnel.add("latency", latency=60_000)
    ends.server.sendall(b"late")
    tunnel.change("latency", latency=10)
    assert receive(ends.client, 4) == b"late"


def test_latency_does_not_delay_the_end(link: LinkMaker, ending: Ending) -> None:
    """An end with no bytes before it passes at once."""
    tunnel = link(toxics=[{"type": "latency", "attributes": {"latency": 60_000}}])
    ends = tunnel.connect()
    ends.server.shutdown(socket.SHUT_WR)
    assert ending(ends.client) == "fin"


def test_bandwidth_paces(link: LinkMaker, receive: Receive, stopwatch: Stopwatch) -> None:
    """50 kB at 100 KB/s take half a second, and the end waits for them."""
    tunnel = link(toxics=[{"type": "bandwidth", "attributes": {"rate": 100}}])
    ends = tunnel.connect()
    elapsed = stopwatch()
    ends.server.sendall(bytes(50_000))
    ends.server.shutdown(socket.SHUT_WR)
    assert len(receive(ends.client, 60_000)) == 50_000
    assert 0.48 <= elapsed() < 3
    assert tunnel.counters()["delayed_bytes"] == 50_000


def test_bandwidth_zero_stalls_until_changed(link: LinkMaker, receive: Receive, ending: Ending) -> None:
    """A rate of 0 holds everything back; a rate lets it go, and so does deleting the toxic."""
    tunnel = link()
    ends = tunnel.connect()
    tunnel.add("bandwidth", rate=0)
    ends.server.sendall(b"stalled")
    assert ending(ends.client, 0.15) == "open"
    tunnel.change("bandwidth", rate=1000)
    ends.client.settimeout(5)
    assert receive(ends.client, 7) == b"stalled"
    tunnel.change("bandwidth", rate=0)
    ends.server.sendall(b"again")
    tunnel.remove("bandwidth")
    assert receive(ends.client, 5) == b"again"


def test_slow_close_delays_only_the_end(
    link: LinkMaker, receive: Receive, ending: Ending, stopwatch: Stopwatch
) -> None:
    """Bytes pass at once, the end comes later."""
    tunnel = link(toxics=[{"type": "slow_close", "attributes": {"delay": 400}}])
    ends = tunnel.connect()
    elapsed = stopwatch()
    ends.server.sendall(b"bye")
    ends.server.shutdown(socket.SHUT_WR)
    assert receive(ends.client, 3) == b"bye"
    assert elapsed() < 0.35
    assert ending(ends.client) == "fin"
    assert 0.4 <= elapsed() < 3


def test_slow_close_removed_lets_the_end_pass(link: LinkMaker, ending: Ending) -> None:
    """Deleting the toxic ends the wait."""
    tunnel = link(toxics=[{"type": "slow_close", "attributes": {"delay": 60_000}}])
    ends = tunnel.connect()
    ends.server.shutdown(socket.SHUT_WR)
    assert ending(ends.client, 0.1) == "open"
    tunnel.remove("slow_close_downstream")
    assert ending(ends.client) == "fin"


def test_slicer_cuts_into_pieces(link: LinkMaker) -> None:
    """The receiver gets small pieces, one after the other, and every byte."""
    slicer = {"type": "slicer", "attributes": {"average_size": 10, "size_variation": 4, "delay": 2000}}
    ends = link(toxics=[slicer]).connect()
    sent = bytes(range(200))
    ends.server.sendall(sent)
    ends.server.shutdown(socket.SHUT_WR)
    pieces = []
    while piece := ends.client.recv(65536):
        pieces.append(piece)
    assert b"".join(pieces) == sent
    assert len(pieces) > 5


def test_slicer_removed_passes_the_rest(link: LinkMaker, receive: Receive) -> None:
    """Deleting the toxic sends what waits in one go."""
    tunnel = link()
    ends = tunnel.connect()
    tunnel.add("slicer", average_size=1, delay=60_000_000)
    ends.server.sendall(b"abcdef")
    assert receive(ends.client, 1) == b"a"
    tunnel.remove("slicer")
    assert receive(ends.client, 5) == b"bcdef"


def test_chain_acts_in_order_of_creation(link: LinkMaker, receive: Receive, stopwatch: Stopwatch) -> None:
    """What the first toxic lets through is what the second delays."""
    limit = {"type": "limit_data", "attributes": {"bytes": 4}}
    tunnel = link(toxics=[limit, {"type": "latency", "attributes": {"latency": 150}}])
    ends = tunnel.connect()
    elapsed = stopwatch()
    ends.server.sendall(b"123456")
    assert receive(ends.client, 6) == b"1234"
    assert elapsed() >= 0.15
    assert tunnel.counters()["delayed_bytes"] == 4


def test_toxic_taken_from_the_middle(link: LinkMaker, receive: Receive) -> None:
    """The toxics around it go on, and no byte is lost or swapped."""
    tunnel = link()
    ends = tunnel.connect()
    tunnel.add("slicer", average_size=2)
    tunnel.add("latency", latency=60_000)
    tunnel.add("bandwidth", rate=100)
    ends.server.sendall(b"0123456789")
    tunnel.remove("latency")
    ends.server.sendall(b"abc")
    assert receive(ends.client, 13) == b"0123456789abc"


NONSENSE = (-(2**63), -1, 0, 2**63 - 1)
ATTRIBUTES = {
    "latency": ("latency", "jitter"),
    "bandwidth": ("rate",),
    "slow_close": ("delay",),
    "timeout": ("timeout",),
    "reset_peer": ("timeout",),
    "slicer": ("average_size", "size_variation", "delay"),
    "limit_data": ("bytes",),
}


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("type_", list(ATTRIBUTES))
def test_nonsense_values_harm_nobody(link: LinkMaker, receive: Receive, type_: str, value: int) -> None:
    """Whatever the numbers, other connections work, updates and removal return."""
    tunnel, other = link(), link("other")
    ends, healthy = tunnel.connect(), other.connect()
    for stream in ("upstream", "downstream"):
        tunnel.add(type_, stream=stream, **dict.fromkeys(ATTRIBUTES[type_], value))
        # reset_peer, limit_data and timeout may end the connection between the two: that is what they are for.
        with suppress(ConnectionError):
            ends.client.sendall(b"up")
            ends.server.sendall(b"down")
        tunnel.change(type_, **dict.fromkeys(ATTRIBUTES[type_], value))
        healthy.client.sendall(b"hello")
        assert receive(healthy.server, 5) == b"hello"
        tunnel.remove(type_)
        ends = tunnel.connect()


def test_slicer_variation_above_the_average(link: LinkMaker, receive: Receive) -> None:
    """A variation that would cut beyond a chunk's ends, and size 0, still pass every byte."""
    tunnel = link()
    ends = tunnel.connect()
    tunnel.add("slicer", average_size=1, size_variation=3)
    sent = bytes(range(256)) * 4
    ends.server.sendall(sent)
    assert receive(ends.client, len(sent)) == sent
    tunnel.change("slicer", average_size=0)
    ends.server.sendall(sent)
    assert receive(ends.client, len(sent)) == sent
