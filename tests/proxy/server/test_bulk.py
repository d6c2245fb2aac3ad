"""Bulk goes through the kernel's pipes: every byte, in order, whoever is slow and whatever changes on the way."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

Dial = Callable[[str], AbstractContextManager[Any]]
PIECE = bytes(range(256)) * 1024
PIECES = 96
DIGEST = hashlib.sha256(PIECE * PIECES).hexdigest()


class Sink:
    """Takes one connection's bytes, as fast as ``pace`` lets it, and answers with their digest at the end."""

    def __init__(self) -> None:
        self.pace: Callable[[int], None] = lambda _: None
        self.received = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End, also when nobody came."""
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        digest = hashlib.sha256()
        with contextlib.suppress(OSError), self._listener.accept()[0] as peer:
            while data := peer.recv(1 << 17):
                digest.update(data)
                self.received += len(data)
                self.pace(self.received)
            peer.sendall(digest.hexdigest().encode())


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A server that tells what it got."""
    server = Sink()
    yield server
    server.close()


@pytest.fixture
def listen(api: Any, sink: Sink) -> str:
    """``host:port`` of a proxy named ``p`` in front of it."""
    return str(api.post("/proxies", {"name": "p", "upstream": sink.address, "listen": "127.0.0.1:0"}).json["listen"])


def send_all(connection: Any, between: Callable[[int], None] = lambda _: None) -> str:
    """Send every piece, then FIN; return the digest that comes back."""
    connection.socket.settimeout(30)
    for number in range(PIECES):
        connection.send(PIECE)
        between(number)
    connection.socket.shutdown(socket.SHUT_WR)
    return str(connection.receive(64).decode())


def test_every_byte_arrives_in_order(api: Any, listen: str, dial: Dial) -> None:
    """What was sent is what arrives, the end included, and the counters have all of it."""
    with dial(listen) as connection:
        assert send_all(connection) == DIGEST
        counted = api.get("/proxies/p/counters").json
    assert (counted["bytes_up"], counted["bytes_down"]) == (len(PIECE) * PIECES, 64)


def test_a_slow_reader_holds_the_sender_back(sink: Sink, listen: str, dial: Dial) -> None:
    """Bytes wait in the pipe until there is room, and none is lost when the sender has long ended."""
    sink.pace = lambda received: time.sleep(0.05) if received < 1 << 20 else None
    with dial(listen) as connection:
        assert send_all(connection) == DIGEST


def test_a_toxic_comes_and_goes_in_the_middle(api: Any, sink: Sink, listen: str, dial: Dial) -> None:
    """What waits in the pipe goes out before what passes the toxic, and bulk is moved again once it is gone."""
    sink.pace = lambda received: time.sleep(0.02) if received < 4 << 20 else None
    toxic = {"type": "latency", "name": "t", "stream": "upstream", "attributes": {"latency": 20}}

    def change(number: int) -> None:
        if number % 16 == 4:
            assert api.post("/proxies/p/toxics", toxic).status == 200
        elif number % 16 == 12:
            assert api.delete("/proxies/p/toxics/t").status == 204

    with dial(listen) as connection:
        assert send_all(connection, change) == DIGEST


def test_a_cut_drops_what_waits(api: Any, embedded: Any, sink: Sink, listen: str, dial: Dial) -> None:
    """A connection that is reset while bulk waits leaves no descriptor behind, and others go on."""
    stop = threading.Event()
    sink.pace = lambda _: stop.wait(30) and None
    before = descriptors(embedded.pid)
    with dial(listen) as connection, contextlib.suppress(TimeoutError, ConnectionError):
        connection.socket.settimeout(0.5)
        while True:
            connection.send(PIECE)
    assert api.delete("/proxies/p/connections").status == 204
    stop.set()
    assert api.get("/proxies/p/connections").json == []
    assert descriptors(embedded.pid) <= before + 2 * 8  # the pipes that are kept for the next bulk


def descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
