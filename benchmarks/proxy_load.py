"""The load side of the proxy benchmark: an echo server and its clients, each one epoll loop in a process of its own.

    proxy_load.py serve                                        prints its port; ends when its stdin does
    proxy_load.py ping PORT PID CONNECTIONS SECONDS            200 bytes there and back, one outstanding a connection
    proxy_load.py bulk PORT PID CONNECTIONS SECONDS            one way, as fast as it goes
    proxy_load.py conn PORT PID CONNECTIONS SECONDS            connect, one byte there and back, close by RST

A client prints one JSON object. Of process PID it reads the CPU time over exactly the measured window, and the memory
at its end. Raw file descriptors and flat loops keep the load side itself cheap; the benchmark shows what it costs.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
ECHO, SINK = b"E", b"S"
MESSAGE = ECHO * 200
BULK_CHUNK = SINK * (256 << 10)
READ_SIZE = 4096
SINK_BUFFER = 1 << 18
ACK_EVERY = 8 << 20
WARM_UP_S = 0.15
STALLED_S = 5.0
# Few at a time: long batches make both ends wait for each other in turn.
BATCH = 32
RST_ON_CLOSE = struct.pack("ii", 1, 0)
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class EchoServer:
    """Echoes a connection that starts with ``E``; swallows one with ``S``, telling of each 8 MiB by one byte."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0), backlog=4096)
        # Accepted sockets inherit it.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._swallowed: dict[int, int] = {}
        self._buffer = [bytearray(SINK_BUFFER)]
        self._running = True
        self._watch(self._listener.fileno(), self._accept)
        self._watch(sys.stdin.fileno(), self._stop)

    def run(self) -> None:
        """Serve until stdin ends."""
        print(self._listener.getsockname()[1], flush=True)
        handlers, poll = self._handlers, self._poll.poll
        while self._running:
            for fd, _ in poll(-1, BATCH):
                try:
                    handlers[fd](fd)
                except ConnectionError:
                    self._close(fd)

    def _watch(self, fd: int, handler: Callable[[int], None]) -> None:
        self._handlers[fd] = handler
        self._poll.register(fd, select.EPOLLIN)

    def _stop(self, _: int) -> None:
        self._running = False

    def _accept(self, _: int) -> None:
        # It stays blocking: it is read when it is readable, and what it is sent fits its buffer.
        accepted, _ = self._listener.accept()
        self._watch(accepted.detach(), self._first)

    def _first(self, fd: int) -> None:
        data = os.read(fd, READ_SIZE)
        if data[:1] == SINK:
            self._swallowed[fd] = len(data)
            self._handlers[fd] = self._sink
        elif data:
            self._handlers[fd] = self._echo
            os.write(fd, data)
        else:
            self._close(fd)

    def _echo(self, fd: int) -> None:
        data = os.read(fd, READ_SIZE)
        if data:
            os.write(fd, data)
        else:
            self._close(fd)

    def _sink(self, fd: int) -> None:
        size = os.readv(fd, self._buffer)
        if not size:
            self._close(fd)
            return
        before = self._swallowed[fd]
        self._swallowed[fd] = before + size
        if (before + size) // ACK_EVERY != before // ACK_EVERY:
            os.write(fd, SINK)

    def _close(self, fd: int) -> None:
        del self._handlers[fd]
        os.close(fd)


@dataclass(slots=True)
class Window:
    """What a process used, and what was achieved, from the start of the measured time to its end."""

    pid: int
    started: float = 0.0
    cpu_s: float = 0.0
    own_cpu_s: float = 0.0

    def open(self) -> None:
        """Start to measure."""
        self.started, self.cpu_s, self.own_cpu_s = time.perf_counter(), cpu_seconds(self.pid), time.process_time()

    def close(self, amount: float, latencies: list[float], errors: int) -> dict[str, Any]:
        """Stop measuring; ``amount`` is how many operations (or MB) were done."""
        elapsed = time.perf_counter() - self.started
        ordered = sorted(latencies) or [0.0]
        each = 1e6 / max(amount, 1)
        return {
            "per_s": amount / elapsed,
            "p50_us": ordered[len(ordered) // 2] * 1e6,
            "p99_us": ordered[int(len(ordered) * 0.99)] * 1e6,
            "cpu_us": (cpu_seconds(self.pid) - self.cpu_s) * each,
            "own_cpu_us": (time.process_time() - self.own_cpu_s) * each,
            "rss_mb": rss_mb(self.pid),
            "errors": errors,
        }


def cpu_seconds(pid: int) -> float:
    """Time on a processor of all threads of a process, to the nanosecond where the kernel keeps such books."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except FileNotFoundError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


def dial(port: int) -> int:
    """Open a connection and give its descriptor."""
    connection = socket.create_connection((HOST, port), timeout=STALLED_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(0)
    return connection.detach()


def ready(poll: select.epoll) -> list[tuple[int, int]]:
    """Wait for events; a load that stalls ends the process with a sentence."""
    events = poll.poll(STALLED_S, BATCH)
    if not events:
        sys.exit(f"no answer for {STALLED_S:g} s")
    return events


class Ping:
    """Small round trips, one outstanding message a connection."""

    def __init__(self, port: int, connections: int) -> None:
        self._poll = select.epoll()
        self._latencies: list[float] = []
        self._sent: dict[int, float] = {}
        self._missing: dict[int, int] = {}
        for fd in [dial(port) for _ in range(connections)]:
            self._poll.register(fd, select.EPOLLIN)
            self._send(fd, time.perf_counter())

    def run(self, window: Window, seconds: float) -> dict[str, Any]:
        """Play and measure."""
        self._play(WARM_UP_S)
        self._latencies.clear()
        window.open()
        self._play(seconds)
        return window.close(len(self._latencies), self._latencies, 0)

    def _send(self, fd: int, now: float) -> None:
        self._sent[fd] = now
        self._missing[fd] = len(MESSAGE)
        os.write(fd, MESSAGE)

    def _play(self, seconds: float) -> None:
        # One flat loop with everything at hand: its own cost must not become the result.
        latencies, sent, missing, size = self._latencies, self._sent, self._missing, len(MESSAGE)
        read, write, clock, message = os.read, os.write, time.perf_counter, MESSAGE
        now = clock()
        end = now + seconds
        while now < end:
            for fd, _ in ready(self._poll):
                got = len(read(fd, size))
                now = clock()
                if got == missing[fd]:
                    latencies.append(now - sent[fd])
                    sent[fd] = now
                    missing[fd] = size
                    write(fd, message)
                elif got:
                    missing[fd] -= got
                else:
                    sys.exit("a connection was closed under load")


class Bulk:
    """One way as fast as it goes; only what the far end tells to have received counts."""

    def __init__(self, port: int, connections: int) -> None:
        self._poll = select.epoll()
        self._acknowledged = 0
        for fd in [dial(port) for _ in range(connections)]:
            self._poll.register(fd, select.EPOLLIN | select.EPOLLOUT)

    def run(self, window: Window, seconds: float) -> dict[str, Any]:
        """Play and measure; the amount is in MB."""
        self._play(WARM_UP_S)
        self._acknowledged = 0
        window.open()
        self._play(seconds)
        return window.close(self._acknowledged * ACK_EVERY / 1e6, [], 0)

    def _play(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for fd, event in ready(self._poll):
                if event & select.EPOLLIN:
                    self._acknowledged += len(os.read(fd, READ_SIZE))
                if event & select.EPOLLOUT:
                    os.write(fd, BULK_CHUNK)


class Connect:
    """Connections made, used for one byte there and back, and reset."""

    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._poll = select.epoll()
        self._started: dict[int, float] = {}
        self._latencies: list[float] = []
        self._errors = 0
        for _ in range(connections):
            self._start()

    def run(self, window: Window, seconds: float) -> dict[str, Any]:
        """Play and measure."""
        self._play(WARM_UP_S)
        self._latencies.clear()
        self._errors = 0
        window.open()
        self._play(seconds)
        return window.close(len(self._latencies), self._latencies, self._errors)

    def _play(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for fd, _ in ready(self._poll):
                self._answered(fd)

    def _start(self) -> None:
        # On loopback the kernel completes a connect by itself, so that waiting for it takes no event.
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        started = time.perf_counter()
        connection.connect((HOST, self._port))
        fd = connection.detach()
        os.write(fd, ECHO)
        self._started[fd] = started
        self._poll.register(fd, select.EPOLLIN)

    def _answered(self, fd: int) -> None:
        try:
            answer = os.read(fd, 1)
        except ConnectionError:
            answer = b""
        if answer:
            self._latencies.append(time.perf_counter() - self._started[fd])
        else:
            self._errors += 1
        os.close(fd)
        self._start()


LOADS: dict[str, type[Ping | Bulk | Connect]] = {"ping": Ping, "bulk": Bulk, "conn": Connect}


def main(argv: list[str]) -> None:
    """Run one side."""
    if argv == ["serve"]:
        EchoServer().run()
        return
    kind, port, pid, connections, seconds = argv
    load = LOADS[kind](int(port), int(connections))
    print(json.dumps(load.run(Window(int(pid)), float(seconds))))


if __name__ == "__main__":
    main(sys.argv[1:])
