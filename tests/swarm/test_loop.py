"""The loop of the swarm: thousands of sockets that are ready at once do not keep a timer waiting."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from harness.swarm.loop import AT_A_TIME, make_loop

MANY = 5 * AT_A_TIME


@pytest.fixture
def speaking() -> Iterator[list[socket.socket]]:
    """Sockets each of which has a byte to be read."""
    pairs = [socket.socketpair() for _ in range(MANY)]
    for near, far in pairs:
        near.settimeout(0)
        far.send(b"x")
    yield [near for near, _ in pairs]
    for pair in pairs:
        for end in pair:
            end.close()


def test_a_timer_does_not_wait_for_all_that_are_ready(speaking: list[socket.socket]) -> None:
    """It comes after those of one round, and in the end everybody has been heard."""
    heard: list[int] = []
    before: list[int] = []

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        everybody = asyncio.Event()

        def hear(one: socket.socket) -> None:
            heard.append(len(one.recv(1)))
            if len(heard) == MANY:
                everybody.set()

        for one in speaking:
            loop.add_reader(one, hear, one)
        loop.call_later(0, lambda: before.append(len(heard)))
        await everybody.wait()

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(scene())
    assert before[0] <= AT_A_TIME
    assert len(heard) == MANY


def test_sockets_take_turns(speaking: list[socket.socket]) -> None:
    """Whoever always has something to say is heard no more often than the others."""
    heard: Counter[int] = Counter()

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        enough = asyncio.Event()

        def hear(number: int) -> None:
            heard[number] += 1
            if heard.total() == 3 * MANY:
                enough.set()

        for number, one in enumerate(speaking):
            loop.add_reader(one, hear, number)
        await enough.wait()

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(scene())
    assert set(range(MANY)) == set(heard)
    assert max(heard.values()) - min(heard.values()) <= 2


def test_writing_and_closing_are_reported_too() -> None:
    """A transport sends more than a socket takes at once, and learns that its peer has gone."""

    async def scene() -> int:
        taken = 0

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal taken
            taken = len(await reader.read(-1))
            writer.close()

        async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"x" * 8_000_000)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        return taken

    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert runner.run(scene()) == 8_000_000
