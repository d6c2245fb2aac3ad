"""Reserved ports stay the service's own, before its start, after its death, and under churn."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from harness.stacks.health import wait_until_ok
from harness.stacks.ports import LOOPBACK, Ports
from harness.stacks.watcher_client import Watcher

APP = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * 1000})
"""


def test_a_reserved_port_is_nobody_elses() -> None:
    """Neither a server that takes any free port nor a client's own end is ever given a reserved port."""
    with Ports() as ports, socket.create_server((LOOPBACK, 0), backlog=4096) as server:
        reserved = {ports.reserve() for _ in range(300)}
        assert len(reserved) == 300
        for reuse in (0, 1):
            for _ in range(3000):
                with socket.socket() as other:
                    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
                    other.bind((LOOPBACK, 0))
                    assert other.getsockname()[1] not in reserved
        for _ in range(1000):
            with socket.create_connection(server.getsockname()) as client:
                assert client.getsockname()[1] not in reserved
                server.accept()[0].close()


def test_a_reserved_port_refuses_while_nobody_listens() -> None:
    """The reservation itself takes no connection: a service that is down looks down."""
    with Ports() as ports, pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, ports.reserve()))


@pytest.mark.slow
def test_a_killed_uvicorn_listens_again_on_its_port_under_churn(
    tmp_path: Path, temporary: Path, env: dict[str, str]
) -> None:
    """Five kills with connections open, half-read and in TIME_WAIT, five starts on the same port."""
    assert temporary.exists()
    (tmp_path / "app.py").write_text(APP)
    argv = [sys.executable, "-m", "uvicorn", "app:app", "--port", "{port}", "--log-level", "warning"]

    async def visit(port: int) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection(LOOPBACK, port)
            except OSError:
                await asyncio.sleep(0.005)
                continue
            with suppress(OSError), closing(writer):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                await reader.read(10)

    async def run(port: int) -> None:
        command = [word.replace("{port}", str(port)) for word in argv]
        async with Watcher.start(tmp_path / "journal.jsonl", run="test") as watcher:
            visitors = [asyncio.create_task(visit(port)) for _ in range(8)]
            for _ in range(5):
                pid = await watcher.spawn("uvicorn", command, env=env, log=tmp_path / "uvicorn.log", cwd=tmp_path)
                seen = await wait_until_ok(LOOPBACK, port, "/", 40)
                assert seen is None, (tmp_path / "uvicorn.log").read_text()
                await watcher.signal(pid, signal.SIGKILL)
                assert await watcher.wait_exit(pid, 5) == -signal.SIGKILL
            for visitor in visitors:
                visitor.cancel()
            await asyncio.gather(*visitors, return_exceptions=True)

    with Ports() as ports:
        asyncio.run(run(ports.reserve()))
    assert (tmp_path / "uvicorn.log").stat().st_size == 0
