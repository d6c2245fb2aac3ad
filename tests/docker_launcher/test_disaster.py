"""A run in containers whose harness is killed: ten seconds later nothing of it is left in the engine."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.stacks import docker_labels, docker_reaper
from harness.stacks.docker_engine import Engine

if TYPE_CHECKING:
    from docker.client import DockerClient

pytestmark = [pytest.mark.slow, pytest.mark.docker]

KILLS = int(os.environ.get("CHAT_CHAOS_KILLS", "3"))
LAST_S = 12.0
GONE_WITHIN_S = 10.0

# A harness that brings a stack up again and again until it is killed.
HARNESS = """
import asyncio, sys
from pathlib import Path
from harness.core.stack import DockerService, Health, LinkSpec, Promises, ServiceSpec, StackSpec
from harness.stacks.api import Order
from harness.stacks.docker_launcher import DockerLauncher
from harness.stacks.watcher_client import Watcher

run, folder = sys.argv[1], Path(sys.argv[2])
docker = DockerService(8080, build="docker/chat", replicas=2, data="/data", env={"DB": "sqlite:${data}/chat.db"})
spec = StackSpec(
    name="doomed", source="doomed.yaml", driver="none", driver_options={}, capabilities=frozenset(),
    promises=Promises(), parameters={},
    services={"chat": ServiceSpec("chat", Health("/healthz", "client->chat", 40), None, docker=docker)},
    links={"client->chat": LinkSpec("client->chat", "client", "chat")}, providers={"push": "unipush"},
)

async def main():
    async with Watcher.start(folder / "journal.jsonl", run=run) as watcher:
        print(watcher.pid, flush=True)
        while True:
            async with DockerLauncher().launch(
                Order(spec=spec, processes=watcher, run=run, folder=folder, key="00")
            ):
                await asyncio.sleep(1)

asyncio.run(main())
"""


@contextmanager
def doomed(folder: Path, run: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A harness in a process of its own, and the pid of its watcher."""
    for name in ("logs", "events"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", HARNESS, run, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        try:
            yield harness, int(harness.stdout.readline())
        finally:
            harness.kill()


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_run_leaves_nothing(
    tmp_path: Path, engine: DockerClient, left: Callable[[str], list[str]], gone: Callable[..., bool], number: int
) -> None:
    """SIGKILL at any moment of coming up, running and going down: its containers, networks and volumes vanish."""
    del engine
    run = f"doomed-{secrets.token_hex(4)}"
    after_s = random.Random(f"{number} {run}").uniform(0, LAST_S)
    with doomed(tmp_path, run) as (harness, _):
        time.sleep(after_s)
        harness.kill()
        assert gone(run, GONE_WITHIN_S), f"killed after {after_s:.2f} s: {left(run)}"
    time.sleep(1)
    assert left(run) == [], f"killed after {after_s:.2f} s, and it came back"


def test_what_a_killed_run_wrote_is_kept(
    tmp_path: Path, engine: DockerClient, left: Callable[[str], list[str]], gone: Callable[..., bool]
) -> None:
    """The output of containers is in the run's logs even when nobody was left to follow it."""
    del engine
    run = f"doomed-{secrets.token_hex(4)}"
    with doomed(tmp_path, run) as (harness, _):
        log = tmp_path / "logs" / "chat.1.log"
        end = time.monotonic() + 60
        while not (log.exists() and b"started" in log.read_bytes()) and time.monotonic() < end:
            time.sleep(0.05)
        harness.send_signal(signal.SIGSTOP)
        log.unlink()
        harness.kill()
        assert gone(run, GONE_WITHIN_S), left(run)
    assert b"started" in log.read_bytes()


def test_the_next_start_sweeps_what_dead_owners_left(
    tmp_path: Path, engine: DockerClient, left: Callable[[str], list[str]]
) -> None:
    """When the watcher is killed too, a sweep removes the run, and leaves alone one whose harness lives."""
    from harness.stacks.docker_calls import address_of  # noqa: PLC0415 - the Docker SDK takes its time

    address = address_of(engine)
    dead, living = (f"doomed-{secrets.token_hex(4)}" for _ in range(2))
    with doomed(tmp_path / "living", living) as (_, _), doomed(tmp_path / "dead", dead) as (harness, watcher):
        end = time.monotonic() + 60
        while not (left(dead) and left(living)) and time.monotonic() < end:
            time.sleep(0.05)
        os.kill(watcher, signal.SIGKILL)
        harness.kill()
        harness.wait()
        assert left(dead)
        assert dead in docker_reaper.sweep(Engine(address), within_s=20)
        assert left(dead) == []
        assert left(living)


def test_owners_are_told_dead_from_living() -> None:
    """Only a process of this boot and of this pid namespace that has gone is an owner surely dead."""
    mine = docker_labels.owner()
    assert not docker_labels.orphaned(mine)
    assert not docker_labels.orphaned({})
    assert docker_labels.orphaned({**mine, docker_labels.OWNER_START: "1"})
    assert docker_labels.orphaned({**mine, docker_labels.BOOT: "another"})
    assert not docker_labels.orphaned({**mine, docker_labels.PIDS: "pid:[1]", docker_labels.OWNER_START: "1"})
    with subprocess.Popen(["sleep", "60"]) as child:
        theirs = {**mine, docker_labels.OWNER_PID: str(child.pid)}
        theirs[docker_labels.OWNER_START] = docker_labels.started(child.pid) or ""
        assert not docker_labels.orphaned(theirs)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert docker_labels.orphaned(theirs)
