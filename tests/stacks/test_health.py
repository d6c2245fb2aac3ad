"""Whether PostgreSQL lets somebody in, asked as its protocol has it."""

from __future__ import annotations

import asyncio

import pytest

from harness.stacks.health import wait_until_ok
from harness.testing import data_servers

PATIENCE_S = 10
STARTING = b"E\x00\x00\x00\x11SFATAL\x00C57P03\x00\x00"
"""``cannot_connect_now``, as it answers while it starts or recovers."""


async def _met(answer: bytes, within_s: float) -> str | None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(4))
        asked.append(await reader.readexactly(size - 4))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        seen = await wait_until_ok("127.0.0.1", server.sockets[0].getsockname()[1], "postgres:chat/talks", within_s)
    assert set(asked) <= {b"\x00\x03\x00\x00user\x00chat\x00database\x00talks\x00\x00"}
    return seen


def test_a_database_that_lets_the_user_in_is_healthy() -> None:
    """``R`` asks for a proof, or needs none."""
    assert asyncio.run(_met(b"R\x00\x00\x00\x08\x00\x00\x00\x00", PATIENCE_S)) is None


@pytest.mark.parametrize(
    ("answer", "seen"),
    [(STARTING, "an answer that lets nobody in"), (b"", "connection lost")],
    ids=["starts", "hangs up"],
)
def test_a_database_that_only_takes_connections_is_not_healthy_yet(answer: bytes, seen: str) -> None:
    """What it said instead is told; a machine that is too slow hears nothing."""
    assert asyncio.run(_met(answer, 0)) in {seen, "no answer"}


@pytest.mark.slow
def test_a_real_one_answers() -> None:
    """It asks nobody for a proof here."""
    data_servers.required("postgres")
    with data_servers.postgres_server() as server:
        assert asyncio.run(wait_until_ok("127.0.0.1", server.port, "postgres:chat/postgres", 10)) is None
