"""How the embedded server reaches an upstream whose name stands for several machines."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest

from harness.proxy.addresses import Address
from harness.proxy.dial import Dial, Found, Resolver, in_turn
from harness.proxy.loop import Loop

SILENT, DEAF, ALIVE = "127.0.0.5", "127.0.0.6", "127.0.0.7"


class Names(Resolver):
    """Knows one name."""

    def __init__(self, loop: Loop, name: str, *ips: str) -> None:
        super().__init__(loop)
        self.names = {name: ips}

    def lookup(self, host: str, found: Found) -> None:
        """Give the addresses of the name."""
        found(self.names[host])


@pytest.fixture
def port() -> Iterator[int]:
    """A port that is answered at one address, refused at another, and silent at a third, as a dead machine is."""
    with ExitStack() as stack:
        alive = stack.enter_context(socket.create_server((ALIVE, 0)))
        port = int(alive.getsockname()[1])
        silent = stack.enter_context(socket.create_server((SILENT, port), backlog=0))
        for _ in range(2):  # whoever comes when the queue is full gets no answer
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(silent.getsockname())
        yield port


def dialled(port: int, ips: Sequence[str], turn: int = 0) -> str | None:
    """Dial in a loop of its own; the address that was reached."""
    loop = Loop()
    reached: list[str | None] = []

    def done(sock: socket.socket | None) -> None:
        reached.append(sock.getpeername()[0] if sock else None)
        if sock:
            sock.close()
        loop.stop()

    guard = threading.Timer(10, lambda: loop.post(loop.stop))
    guard.start()
    loop.post(lambda: Dial(loop, done).start(Address("chat", port), Names(loop, "chat", *ips), turn=turn))
    loop.run()
    guard.cancel()
    loop.close()
    assert len(reached) == 1
    return reached[0]


def test_a_silent_address_is_not_waited_for(port: int) -> None:
    """A name that still stands for a machine that died leads to one that lives."""
    assert dialled(port, [SILENT, ALIVE]) == ALIVE
    assert dialled(port, [SILENT, DEAF, ALIVE]) == ALIVE


def test_the_next_address_is_tried_after_a_refusal(port: int) -> None:
    """A refused connect goes on to the next address; when all refuse, or there is none, nothing was reached."""
    assert dialled(port, [DEAF, ALIVE]) == ALIVE
    assert dialled(port, [DEAF, DEAF]) is None
    assert dialled(port, []) is None


def test_addresses_take_turns(port: int) -> None:
    """Each connect begins with another of the addresses of a kind; version 4 comes first."""
    assert in_turn(["a", "b", "::1", "::2"], 0) == ["a", "b", "::1", "::2"]
    assert in_turn(["a", "b", "::1", "::2"], 1) == ["b", "a", "::2", "::1"]
    assert dialled(port, [ALIVE, "127.0.0.1"]) == ALIVE
    assert dialled(port, [DEAF, ALIVE], turn=1) == ALIVE
