"""Hundreds of busy connections that end at the same moment: what brought other engines down."""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.testing.proxy_servers import RunningServer

CONNECTIONS = 500
TIMES = 20

# A client process of its own: dying with open connections is what resets them all at once.
CLIENT = """
import os, selectors, socket, sys, time
port, count = int(sys.argv[1]), int(sys.argv[2])
waiting = selectors.DefaultSelector()
for _ in range(count):
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(bytes(200))
    waiting.register(sock, selectors.EVENT_READ)
answered, end = {}, time.monotonic() + 15
while (len(answered) < count or min(answered.values()) < 2) and time.monotonic() < end:
    for key, _ in waiting.select(1):
        answered[key.fd] = answered.get(key.fd, 0) + bool(key.fileobj.recv(65536))
        key.fileobj.sendall(bytes(200))
print(min(answered.values()), flush=True)
os._exit(0)
"""


class _Echo:
    """Echoes on any number of connections from one thread."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """Stop echoing."""
        self._stop.close()
        self._thread.join()
        self.listener.close()
        self._stopped.close()

    def _run(self) -> None:
        poll = select.epoll()
        sockets: dict[int, socket.socket] = {}
        poll.register(self.listener, select.EPOLLIN)
        poll.register(self._stopped, select.EPOLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self._stopped.fileno():
                    poll.close()
                    for sock in sockets.values():
                        sock.close()
                    return
                if fd == self.listener.fileno():
                    sock = self.listener.accept()[0]
                    sockets[sock.fileno()] = sock
                    poll.register(sock, select.EPOLLIN)
                elif not self._echo(sockets[fd]):
                    poll.unregister(fd)  # a process being started may hold a copy, so closing would not do it
                    sockets.pop(fd).close()

    @staticmethod
    def _echo(sock: socket.socket) -> bool:
        try:
            data = sock.recv(65536)
            sock.sendall(data)
        except OSError:
            return False
        return bool(data)


def _open_files(server: RunningServer) -> int:
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


def _resident_kib(server: RunningServer) -> int:
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * 4


def _soon(true: Callable[[], bool]) -> bool:
    """Ask again until it holds, for ten seconds at most."""
    pause = threading.Event()
    return any(true() or pause.wait(0.02) for _ in range(500))


@pytest.mark.slow
@pytest.mark.parametrize("toxic", [{"type": "noop"}, {"type": "latency", "attributes": {"latency": 3, "jitter": 2}}])
def test_mass_disconnects_are_survived(
    server_with: Any, http_for: Callable[..., Any], receive: Callable[..., bytes], toxic: Any
) -> None:
    """500 busy connections reset at once, ten times: nothing is left of them and the next one is served."""
    echo = _Echo()
    try:
        with server_with() as server:
            api = http_for(server)
            proxy = {"name": "busy", "listen": "127.0.0.1:0", "upstream": echo.address, "toxics": [toxic]}
            port = int(api.post("/proxies", proxy).json["listen"].rpartition(":")[2])
            files, memory = _open_files(server), 0
            for time in range(TIMES // 2):
                argv = [sys.executable, "-S", "-c", CLIENT, str(port), str(CONNECTIONS)]
                client = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True)
                assert int(client.stdout) >= 2
                assert _soon(lambda: api.get("/proxies/busy/connections").json == [])
                assert _soon(lambda: _open_files(server) <= files)
                memory = memory or _resident_kib(server)
                assert _resident_kib(server) < memory + 16 * 1024, f"grown by the {time}th time"
            counters = api.get("/proxies/busy/counters").json
            assert counters["opened"] == counters["closed"] == CONNECTIONS * (TIMES // 2)
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client_after:
                client_after.sendall(b"still here")
                assert receive(client_after, 10) == b"still here"
    finally:
        echo.close()


def test_disabling_a_busy_proxy(link: Any, ending: Callable[..., str]) -> None:
    """Connections closed by the proxy itself in the middle of traffic all end, at both ends."""
    tunnel = link()
    pairs = [tunnel.connect() for _ in range(60)]
    linger = struct.pack("ii", 1, 0)
    for pair in pairs:
        pair.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        pair.client.sendall(b"x" * 1000)
        pair.server.sendall(b"y" * 1000)
    tunnel.enable(on=False)
    for pair in pairs:
        while (how := ending(pair.client)) == "data":
            continue
        assert how == "rst"
    assert tunnel.counters()["closed"] == 60
