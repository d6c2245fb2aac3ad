"""The watcher when the harness is killed: five seconds later nothing of the run is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.faults.api import UndoCommand
from harness.stacks.journal import Journal

pytestmark = pytest.mark.slow

# A harness that starts a tree (a program, its child, and a daemon that left session and parent) and hangs.
HARNESS = """
import asyncio, json, os, sys
from pathlib import Path
from harness.stacks.watcher_client import Watcher

DAEMON = "import os, time, signal\\n" \\
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n" \\
    "if os.fork(): os._exit(0)\\n" \\
    "os.setsid()\\n" \\
    "if os.fork(): os._exit(0)\\n" \\
    "open('daemon.pid', 'w').write(str(os.getpid()) + chr(10))\\n" \\
    "time.sleep(60)"

async def main(folder):
    async with Watcher.start(folder / "journal.jsonl", run="doomed") as watcher:
        env = {"PATH": os.environ["PATH"]}
        shell = f"sleep 60 & echo $! > child.pid; '{sys.executable}' -c \\"$DAEMON\\"; wait"
        pid = await watcher.spawn("tree", ["sh", "-c", shell], env={**env, "DAEMON": DAEMON},
                                  log=folder / "tree.log", cwd=folder)
        data = await watcher.temporary_folder("data")
        (data / "deep").mkdir()
        (data / "deep" / "file").write_text("x")
        print(json.dumps({"watcher": watcher.pid, "tree": pid, "data": str(data)}), flush=True)
        await asyncio.sleep(60)

asyncio.run(main(Path(sys.argv[1])))
"""


@contextmanager
def doomed(folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, int], Path]]:
    """A harness with a tree of processes; yields it, the pids of the tree, and its temporary folder."""
    command = [sys.executable, "-c", HARNESS, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        try:
            told = json.loads(harness.stdout.readline())
            yield harness, {"watcher": told["watcher"], "tree": told["tree"]}, Path(told["data"])
        finally:
            harness.kill()


def pid_in(file: Path) -> int:
    """The pid that a program has written whole, or 0."""
    text = file.read_text() if file.exists() else ""
    return int(text) if text.endswith("\n") else 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_harness_leaves_nothing(
    tmp_path: Path, temporary: Path, alive: Callable[[int], bool], poll: Callable[..., bool], number: int
) -> None:
    """SIGKILL of the harness ends the watcher, its programs, their children and daemons, and the folders."""
    with doomed(tmp_path) as (harness, pids, data):
        assert poll(lambda: all(pid_in(tmp_path / f"{name}.pid") for name in ("child", "daemon")), 10)
        pids |= {name: pid_in(tmp_path / f"{name}.pid") for name in ("child", "daemon")}
        assert all(alive(pid) for pid in pids.values())
        assert (data / "deep" / "file").exists()
        harness.send_signal(number)
        harness.wait(5)
        assert poll(lambda: not any(alive(pid) for pid in pids.values()), 5), {n: alive(p) for n, p in pids.items()}
    assert list(temporary.iterdir()) == []
    assert "the harness is gone" in (tmp_path / "logs" / "watcher.log").read_text()


def test_a_folder_whose_watcher_was_killed_is_swept_by_the_next_start(
    tmp_path: Path, temporary: Path, alive: Callable[[int], bool], poll: Callable[..., bool]
) -> None:
    """When harness and watcher are both killed, the next start removes the folder, and none that is in use."""
    with doomed(tmp_path) as (harness, pids, data):
        os.kill(pids["watcher"], signal.SIGKILL)
        harness.kill()
        assert poll(lambda: not alive(pids["watcher"]), 5)
    assert data.exists()
    with doomed(tmp_path) as (_, _, second), doomed(tmp_path) as (_, _, third):
        assert not data.exists()
        assert second.exists()
        assert third.exists()
    assert poll(lambda: not any(temporary.iterdir()), 5)


class Recording(BaseHTTPRequestHandler):
    """Notes each request and answers 200."""

    seen: list[tuple[str, str, str]]

    def do_POST(self) -> None:
        """Note it."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.seen.append((self.command, self.path, body))
        self.send_response(200)
        self.end_headers()

    do_DELETE = do_POST  # noqa: N815 - the base class's naming

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """A server standing in for a proxy's API, and what it was asked."""
    seen: list[tuple[str, str, str]] = []
    handler = type("Handler", (Recording,), {"seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()
        thread.join()


def test_faults_in_force_are_undone_last_first(
    tmp_path: Path,
    temporary: Path,
    proxy: tuple[str, list[tuple[str, str, str]]],
    alive: Callable[[int], bool],
    poll: Callable[..., bool],
) -> None:
    """After SIGKILL the watcher sends the undo requests of faults that were not healed, in reverse order."""
    url, seen = proxy
    journal = Journal(tmp_path / "journal.jsonl")
    journal.applying("slow", [UndoCommand("DELETE", f"{url}/proxies/a/toxics/slow")])
    journal.applying("healed", [UndoCommand("POST", f"{url}/never")])
    journal.applying("cut", [UndoCommand("POST", f"{url}/proxies/a", '{"enabled": true}')])
    journal.undone("healed")
    journal.close()
    with doomed(tmp_path) as (harness, pids, _):
        harness.kill()
        assert poll(lambda: not alive(pids["watcher"]), 5)
    assert seen == [("POST", "/proxies/a", '{"enabled": true}'), ("DELETE", "/proxies/a/toxics/slow", "")]
    assert list(temporary.iterdir()) == []
