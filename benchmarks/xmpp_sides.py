"""The two load sides of the XMPP benchmark: how each is started, and what it knows of its messages afterwards."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from string import Template
from typing import IO
from urllib.parse import urlsplit

from harness.core.errors import EnvironmentFault

HERE = Path(__file__).parent
HOST = "127.0.0.1"
OURS, TSUNG = "our driver", "tsung"
ARRIVALS_PER_S = 20
LISTENS_WITHIN_S = 5.0
FLAGS = "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
"""Of its virtual machine: nothing of it listens where others can reach it, and its schedulers do not wait busily, which
would be counted as the cost of messages."""
_WRITTEN = re.compile(r"^stats: request_noack \d+ (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Task:
    """One play: each of ``people`` (name, password, to whom) writes ``messages``, one every ``think_s`` seconds.

    Their ``text`` has nothing in it that XML has another form for.
    """

    play: int
    address: str
    domain: str
    people: Sequence[tuple[str, str, str]]
    messages: int
    think_s: float
    text: str

    @property
    def asked_for(self) -> int:
        """The messages of everybody."""
        return self.messages * len(self.people)


@dataclass(frozen=True, slots=True)
class Known:
    """What a load side knows of its messages: how many it wrote, and, of ours, the outcome of each by its name."""

    written: int
    outcomes: Mapping[str, str] = field(default_factory=dict)
    came: frozenset[str] = frozenset()

    def __str__(self) -> str:
        if not self.outcomes:
            return f"wrote {self.written}"
        told = ", ".join(f"{count} {outcome}" for outcome, count in Counter(self.outcomes.values()).most_common())
        return f"of each of {self.written}: {told}; {len(self.came)} came"


class Ours:
    """Our driver, in a process of its own."""

    name = OURS

    def start(self, task: Task, folder: Path, output: IO[str]) -> subprocess.Popen[str]:
        """Start a play."""
        (folder / "task.json").write_text(json.dumps(asdict(task)))
        command = [sys.executable, str(HERE / "load_xmpp.py")]
        with (folder / "task.json").open() as told, (folder / "known.jsonl").open("w") as known:
            return subprocess.Popen(command, stdin=told, stdout=known, stderr=output, text=True, start_new_session=True)

    def known(self, task: Task, folder: Path) -> Known:  # noqa: ARG002 - as of the other
        """Read what it wrote at its end."""
        told = [json.loads(line) for line in (folder / "known.jsonl").read_text().splitlines()]
        outcomes = {name: outcome for name, outcome, _ in told}
        return Known(len(told), outcomes, frozenset(name for name, _, came in told if came))


class Tsung:
    """tsung, its people played by the controller's own virtual machine, so that no other is started by ssh."""

    name = TSUNG

    def __init__(self, epmd_port: int) -> None:
        self._epmd_port = epmd_port

    def start(self, task: Task, folder: Path, output: IO[str]) -> subprocess.Popen[str]:
        """Start a play."""
        people = folder / "people.csv"
        people.write_text("".join(";".join(one) + "\n" for one in task.people))
        config = folder / "tsung.xml"
        config.write_text(Template((HERE / "load_tsung.xml").read_text()).substitute(filled(task, people)))
        command = ["tsung", "-n", "-f", str(config), "-l", str(folder / "log"), "start"]
        # It keeps its cookie at home.
        environment = os.environ | erlang(self._epmd_port) | {"HOME": str(folder), "ERL_FLAGS": FLAGS}
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )

    def known(self, task: Task, folder: Path) -> Known:
        """Read its statistics: it counts what it wrote and did not wait for, a presence of everybody among it."""
        [log] = (folder / "log").glob("*/tsung.log")
        written = _WRITTEN.findall(log.read_text())
        return Known(int(written[-1]) - len(task.people) if written else 0)


def filled(task: Task, people: Path) -> dict[str, object]:
    """What stands in the names of tsung's file."""
    parts = urlsplit(task.address)
    own = {"host": parts.hostname, "port": parts.port, "file": people, "arrivals": ARRIVALS_PER_S}
    return asdict(task) | own | {"people": len(task.people)}


def erlang(epmd_port: int) -> dict[str, str]:
    """Where Erlang finds, or is to have, its name service."""
    return {"ERL_EPMD_PORT": str(epmd_port), "ERL_EPMD_ADDRESS": HOST}


@contextmanager
def name_service() -> Iterator[int]:
    """Run Erlang's name service on a port of its own: the one that tsung would start goes on when tsung has ended."""
    epmd = shutil.which("epmd")
    if epmd is None:
        raise EnvironmentFault("tsung needs epmd, which is not here.", hint="Debian has it in erlang-base.")
    with socket.create_server((HOST, 0)) as probe:
        port = int(probe.getsockname()[1])
    process = subprocess.Popen([epmd], env=os.environ | erlang(port), stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait(process, port)
        yield port
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + LISTENS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.02)
    raise EnvironmentFault("Erlang's name service did not start to listen", hint="see `epmd -debug` by hand")
