"""Small things that the tests of stacks share."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

Poll = Callable[[Callable[[], bool], float], bool]


@pytest.fixture
def poll() -> Poll:
    """Ask until something holds or the time is over."""

    def wait(holds: Callable[[], bool], within_s: float) -> bool:
        end = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    return wait


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Whether a pid belongs to a process that still runs; a zombie does not."""

    def answer(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    return answer


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the system that belongs to this test alone."""
    folder = tmp_path / "system-temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def env() -> dict[str, str]:
    """The least environment in which a program is found."""
    return {"PATH": os.environ["PATH"]}


STRANGER = """
import socket, sys
ends = [socket.create_connection(("127.0.0.1", int(port))) for port in sys.argv[2:]]
for end in ends if sys.argv[1] == "True" else ():
    end.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    end.recv(10)
print(flush=True)
input()
"""


@pytest.fixture
def stranger() -> Callable[..., AbstractContextManager[int]]:
    """Another process that is connected to the ports given, by its pid; with ``ask`` it has had an answer on each."""

    @contextmanager
    def connected(*ports: int, ask: bool = False) -> Iterator[int]:
        command = [sys.executable, "-c", STRANGER, str(ask), *map(str, ports)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process.pid

    return connected
