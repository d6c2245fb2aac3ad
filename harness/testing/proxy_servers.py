"""Toxiproxy-compatible servers for tests and measurements: found, started on a free port, ended by their pid."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal

from harness.core.errors import EnvironmentFault
from harness.stacks.proxy_choice import HOW_TO_GET_TOXIPROXY, find_toxiproxy
from harness.stacks.proxy_container import toxiproxy_container
from harness.testing.lacking import lacking

ServerKind = Literal["embedded", "toxiproxy", "image"]

START_WITHIN_S = 10.0
END_WITHIN_S = 5.0
PORT_ATTEMPTS = 5
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server process that answers at ``http://host:port``."""

    kind: ServerKind
    pid: int
    port: int
    host: str = HOST

    @property
    def url(self) -> str:
        """Base address of its HTTP API."""
        return f"http://{self.host}:{self.port}"


def required_toxiproxy() -> None:
    """Skip the test where the real Toxiproxy is missing; fail it where ``CHAT_CHAOS_REQUIRE`` lists ``toxiproxy``."""
    if find_toxiproxy() is None:
        lacking("toxiproxy", f"the real Toxiproxy was not found: {HOW_TO_GET_TOXIPROXY}")


@contextmanager
def running_server(kind: ServerKind) -> Iterator[RunningServer]:
    """Run a server for the length of the block; ``EnvironmentFault`` when it cannot be found or does not start."""
    if kind == "image":
        with _in_a_container() as server:
            yield server
        return
    process, port = _start_embedded() if kind == "embedded" else _start_toxiproxy()
    try:
        yield RunningServer(kind, process.pid, port)
    finally:
        _end(process)


@contextmanager
def _in_a_container() -> Iterator[RunningServer]:
    """Run the Toxiproxy image on the host's network, as the embedded launcher does."""
    from harness.stacks import docker_labels  # noqa: PLC0415 - the Docker SDK takes its time
    from harness.stacks.docker_client import connect  # noqa: PLC0415
    from harness.stacks.docker_images import ensure  # noqa: PLC0415

    port = _free_port()
    container = toxiproxy_container(host=HOST, port=port)
    with closing(connect()) as client:
        made = client.containers.run(
            ensure(container.build, client),
            list(container.command),
            detach=True,
            network_mode="host",
            healthcheck={"test": ["NONE"]},  # the image's asks the usual port
            labels={docker_labels.RUN: f"test-{os.getpid()}", **docker_labels.owner()},
        )
        try:
            made.reload()
            if not _listens(lambda: False, port):
                raise EnvironmentFault("The Toxiproxy image did not start to listen.", hint="see `docker logs`")
            yield RunningServer("image", int(made.attrs["State"]["Pid"]), port)
        finally:
            made.remove(force=True)


def _start_embedded() -> tuple[subprocess.Popen[bytes], int]:
    ready, tell = os.pipe()
    try:
        argv = [sys.executable, "-m", "harness.proxy.server", "--port", "0", "--ready-fd", str(tell)]
        process = _spawn(argv, pass_fds=[tell])
    finally:
        os.close(tell)
    with os.fdopen(ready) as lines:
        # The server closes its end when it dies, so this never waits for a dead one.
        line = lines.readline()
    if not line:
        _end(process)
        raise EnvironmentFault("The embedded proxy server ended before it was ready.")
    return process, int(line.rpartition(":")[2])


def _start_toxiproxy() -> tuple[subprocess.Popen[bytes], int]:
    binary = find_toxiproxy()
    if binary is None:
        raise EnvironmentFault("The real Toxiproxy was not found.", hint=HOW_TO_GET_TOXIPROXY)
    for _ in range(PORT_ATTEMPTS):
        port = _free_port()
        process = _spawn([binary, "-host", HOST, "-port", str(port)])
        if _listens(partial(_ended, process), port):
            return process, port
        _end(process)
    raise EnvironmentFault(f"{binary} did not start to listen: run it by hand to see why.")


def _spawn(argv: Sequence[str], *, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=pass_fds
    )


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


def _listens(ended: Callable[[], bool], port: int) -> bool:
    """Poll until the port answers, because Toxiproxy tells nobody; False when the server ended or took too long."""
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline and not ended():
        with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return True
        time.sleep(0.01)
    return False


def _ended(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
