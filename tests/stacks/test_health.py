"""Whether PostgreSQL lets somebody in, asked as its protocol has it."""

from __future__ import annotations

import asyncio

import pytest

from harness.stacks.health import wait_until_ok
from harness.testing import data_servers

STARTING = b"E\x00\x00\x00\x11SFATAL\x00C57P03\x00\x00"
"""``cannot_connect_now``, as it answers while it starts or recovers."""


async def _met(answer: bytes) -> str | None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(4))
        asked.append(await reader.readexactly(size - 4))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        seen = await wait_until_ok("127.0.0.1", server.sockets[0].getsockname()[1], "postgres:chat/talks", 0)
    assert asked == [b"\x00\x03\x00\x00user\x00chat\x00database\x00talks\x00\x00"]
    return seen


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (b"R\x00\x00\x00\x08\x00\x00\x00\x00", None),
        (STARTING, "an answer that lets nobody in"),
        (b"", "connection lost"),
    ],
    ids=["lets in", "starts", "hangs up"],
)
def test_what_a_database_says_is_told(answer: bytes, seen: str | None) -> None:
    """One that lets the user in is healthy; one that only takes connections is not yet."""
    assert asyncio.run(_met(answer)) == seen


@pytest.mark.slow
def test_a_real_one_answers() -> None:
    """It asks nobody for a proof here."""
    data_servers.required("postgres")
    with data_servers.postgres_server() as server:
        assert asyncio.run(wait_until_ok("127.0.0.1", server.port, "postgres:chat/postgres", 10)) is None
