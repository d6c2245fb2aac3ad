"""The toxics that end connections: timeout, reset_peer, limit_data."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

LinkMaker = Callable[..., Any]
Ending = Callable[..., str]
Receive = Callable[[socket.socket, int], bytes]
Stopwatch = Callable[[], Callable[[], float]]


def test_timeout_swallows_until_removed(link: LinkMaker, receive: Receive, ending: Ending) -> None:
    """With 0 nothing comes through that way, the other way works, and removal closes the connection."""
    tunnel = link()
    ends = tunnel.connect()
    tunnel.add("timeout", timeout=0)
    ends.server.sendall(b"lost answer")
    ends.client.sendall(b"question")
    assert receive(ends.server, 8) == b"question"
    assert ending(ends.client, 0.1) == "open"
    counters = tunnel.counters()
    assert (counters["held_bytes"], counters["bytes_down"], counters["bytes_up"]) == (11, 0, 8)
    tunnel.remove("timeout")
    assert ending(ends.client) == "fin"
    assert tunnel.counters()["cut"] == 1


def test_timeout_closes_what_is_quiet(link: LinkMaker, ending: Ending, stopwatch: Stopwatch) -> None:
    """Each chunk starts the time anew; a quiet connection is closed."""
    tunnel = link(toxics=[{"type": "timeout", "attributes": {"timeout": 200}}])
    ends = tunnel.connect()
    elapsed = stopwatch()
    for _ in range(4):
        assert ending(ends.client, 0.1) == "open"
        ends.server.sendall(b".")
    assert ending(ends.client) == "fin"
    assert 0.55 <= elapsed() < 3


@pytest.mark.parametrize("type_", ["timeout", "reset_peer", "limit_data"])
def test_a_spared_connection_is_left_alone(link: LinkMaker, receive: Receive, type_: str) -> None:
    """With a toxicity of 0 neither the toxic nor its removal is felt."""
    tunnel = link()
    ends = tunnel.connect()
    tunnel.add(type_, toxicity=0)
    fresh = tunnel.connect()
    tunnel.remove(type_)
    for pair in (ends, fresh):
        pair.server.sendall(b"fine")
        assert receive(pair.client, 4) == b"fine"
        pair.server.shutdown(socket.SHUT_WR)
        assert receive(pair.client, 1) == b""


@pytest.mark.parametrize("opened_before", [True, False])
@pytest.mark.parametrize("timeout", [0, 120])
def test_reset_peer_resets_both_ends(
    link: LinkMaker, ending: Ending, stopwatch: Stopwatch, *, opened_before: bool, timeout: int
) -> None:
    """The first bytes bring RST to both ends, on connections opened before and after the toxic."""
    tunnel = link()
    ends = tunnel.connect() if opened_before else None
    tunnel.add("reset_peer", timeout=timeout)
    ends = ends or tunnel.connect()
    elapsed = stopwatch()
    ends.server.sendall(b"first bytes")
    assert ending(ends.client) == "rst"
    assert ending(ends.server) == "rst"
    assert timeout / 1000 <= elapsed() < timeout / 1000 + 3
    counters = tunnel.counters()
    assert (counters["cut"], counters["held_bytes"]) == (1, 11)


def test_limit_data_passes_so_many_bytes(link: LinkMaker, receive: Receive, ending: Ending) -> None:
    """Exactly the allowance arrives, then the end; the rest counts as held."""
    tunnel = link()
    ends = tunnel.connect()
    tunnel.add("limit_data", bytes=10)
    ends.server.sendall(b"123456")
    assert receive(ends.client, 6) == b"123456"
    ends.server.sendall(b"789012")
    assert receive(ends.client, 6) == b"7890"
    assert ending(ends.client) == "fin"
    counters = tunnel.counters()
    assert (counters["bytes_down"], counters["held_bytes"], counters["cut"]) == (10, 2, 1)


def test_limit_data_keeps_its_count_over_updates(link: LinkMaker, receive: Receive) -> None:
    """A raised allowance goes on from what has passed."""
    tunnel = link()
    ends = tunnel.connect()
    tunnel.add("limit_data", bytes=6)
    ends.server.sendall(b"12345")
    assert receive(ends.client, 5) == b"12345"
    tunnel.change("limit_data", bytes=8)
    ends.server.sendall(b"67890")
    assert receive(ends.client, 5) == b"678"
