"""haproxy as a row of the proxy benchmark: what a proxy in C, without toxics or counters, does on the same machine."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.core.errors import EnvironmentFault

HOST = "127.0.0.1"
START_WITHIN_S = 5.0
CONFIG = """
global
    nbthread 1
    maxconn 2000
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen bench
    bind {host}:{port}
    server upstream {host}:{upstream}
"""


def find_haproxy() -> str | None:
    """Return the path of haproxy, None where it is not installed."""
    return shutil.which("haproxy")


@contextmanager
def running_haproxy(upstream: int) -> Iterator[tuple[int, int]]:
    """Run haproxy in front of a port for the length of the block; yields its pid and its own port."""
    with socket.create_server((HOST, 0)) as probe:
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "haproxy.cfg")
        config.write_text(CONFIG.format(host=HOST, port=port, upstream=upstream))
        process = subprocess.Popen(["haproxy", "-db", "-q", "-f", str(config)], stderr=subprocess.DEVNULL)
        try:
            _wait(process, port)
            yield process.pid, port
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.02)
    raise EnvironmentFault("haproxy did not start to listen", hint="leave it out, or see `haproxy -db` by hand")
