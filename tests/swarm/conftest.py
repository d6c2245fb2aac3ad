"""The swarm as a process, its engine side, and a chat to talk to."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.core.plan import DirectWorkload, PersonPlan, Workload
from harness.drivers.api import Endpoint
from harness.swarm.config import Route, SwarmConfig
from harness.testing.clients import PlayDevice, play_device
from harness.testing.reference_chat import ReferenceChat, reference_chat

PATIENCE_S = 15.0


@pytest.fixture
def play(tmp_path: Path) -> PlayDevice:
    """Play a scene with bob's phone and return the events that it recorded."""
    return partial(play_device, tmp_path)


@dataclass(slots=True)
class SwarmProcess:
    """A swarm that was started with a socket of ours."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    folder: Path

    def wait(self) -> int:
        """Wait for its end and return the exit status."""
        return self.process.wait(PATIENCE_S)

    def complaints(self) -> str:
        """All that it wrote on stderr: warnings, tracebacks, log lines."""
        return (self.folder / "swarm.log").read_text()

    def events(self) -> list[dict[str, Any]]:
        """Its events in the order of its file."""
        files = list((self.folder / "events").iterdir())
        assert len(files) == 1
        return [json.loads(line) for line in files[0].read_text().splitlines()]


@dataclass(slots=True)
class Cast:
    """A configuration of alice and bob over one address, to be varied by a test."""

    folder: Path
    url: str
    workloads: tuple[Workload, ...] = (DirectWorkload("alice", "bob", 20.0),)
    people: tuple[PersonPlan, ...] = field(default=(PersonPlan("alice", ("phone", "laptop")), PersonPlan("bob")))

    def config(self) -> SwarmConfig:
        """The configuration."""
        return SwarmConfig(
            run="r1",
            events=self.folder / "events",
            key="ab" * 16,
            seed=7,
            people=self.people,
            workloads=self.workloads,
            driver="reference",
            endpoints={"*": Route(self.url, self.url, "client->chat")},
            direct=Endpoint(self.url, self.url),
        )


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[ReferenceChat]:
    """A healthy chat with fresh data."""
    with reference_chat(tmp_path) as running:
        yield running


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[SwarmProcess]:
    """A swarm process in which every warning is an error."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-W", "error", "-m", "harness.swarm", "--control-fd", str(theirs.fileno())]
    with (tmp_path / "swarm.log").open("wb") as log, theirs:
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=log, stdout=log)
    started = SwarmProcess(process, ours, tmp_path)
    try:
        yield started
    finally:
        ours.close()
        process.kill()
        process.wait()


@pytest.fixture
def cast(tmp_path: Path) -> Callable[[str], Cast]:
    """Make a cast that talks to an address."""
    return lambda url: Cast(tmp_path, url)
