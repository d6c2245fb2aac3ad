"""A system that runs already: a chat process and a proxy server, neither started by the harness."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.testing.proxy_servers import RunningServer, required_toxiproxy, running_server
from harness.testing.reference_chat import ReferenceChat, reference_chat

PATIENCE_S = 60.0
"""A loaded machine is slow to bring a run to its fault."""
COMMAND = [sys.executable, "-m", "harness.cli.main"]
SERVERS = ["embedded", pytest.param("toxiproxy", marks=pytest.mark.toxiproxy)]

STACK = """\
version: 1
name: staging
driver: {{kind: reference}}
capabilities: [groups, blocks, http_send, refresh_token, rate_limit]
promises:
  durability: process_crash
  order: conversation
  idempotency_window: forever
  retention: forever
  deliver_within: 1s
  receipts: [delivered, read]
parameters:
  chat: {{default: "{chat}"}}
external: {{toxiproxy: "{toxiproxy}"}}
abort: {abort}
services:
  chat:
    health: {{http: /healthz, through: "client->chat", within: 5s}}
    external: {{address: "${{parameters.chat}}"}}
links:
  "client->chat": {link}
  "client->auth": {{to: chat}}
"""

SCENARIO = """\
version: 1
name: probe
title: A test of the harness itself
stack: {stack}
people:
  alice: {{devices: [phone]}}
  bob: {{devices: [phone]}}
workload:
  - {{kind: direct, from: alice, to: bob, rate: 10/s}}
phases: {{baseline: 1s, observe: {observe}, quiet: 1500ms}}
faults:
  {fault}
expect:
  checks: [acked_never_lost]
"""
CUT = 'cut: {kind: network.down, link: "client->chat", start: {at: 300ms}, for: 500ms}'


@pytest.fixture(scope="module", params=SERVERS)
def toxiproxy(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """Each proxy server in turn: our own, and the real one, which runs already."""
    if request.param == "toxiproxy":
        required_toxiproxy()
    with running_server(request.param) as server:
        yield server


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferenceChat]:
    """A chat that goes on from test to test, as a test system does."""
    with reference_chat(tmp_path_factory.mktemp("chat")) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Bench:
    """A folder with stack and scenario files, and the command line to play them with."""

    folder: Path
    chat: ReferenceChat
    toxiproxy: RunningServer

    def stack(self, *, abort: str = "{}", link: str = "{per_person: named_in_faults}", toxiproxy: str = "") -> Path:
        """Write the stack file."""
        address = self.chat.url.removeprefix("http://")
        text = STACK.format(chat=address, toxiproxy=toxiproxy or self.toxiproxy.url, abort=abort, link=link)
        path = self.folder / "staging.yaml"
        path.write_text(text)
        return path

    def scenario(self, fault: str = CUT, *, observe: str = "2s") -> Path:
        """Write the scenario file."""
        path = self.folder / "probe.chaos.yaml"
        path.write_text(SCENARIO.format(stack=self.folder / "staging.yaml", fault=fault, observe=observe))
        return path

    def words(self, *more: str, command: str = "run") -> list[str]:
        """The command that plays it."""
        return [*COMMAND, command, str(self.folder / "probe.chaos.yaml"), "--launcher", "external", *more]

    def run(self, *more: str, command: str = "run") -> subprocess.CompletedProcess[str]:
        """Play it to its end."""
        words = self.words(*more, command=command)
        return subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)

    @contextmanager
    def running(self, *more: str) -> Iterator[subprocess.Popen[str]]:
        """Play it while the test interferes; ended at the end if it still runs."""
        process = subprocess.Popen(
            self.words(*more), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def api(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the proxy server."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"User-Agent": "test", "Content-Type": "application/json"}
        request = urllib.request.Request(self.toxiproxy.url + path, data=data, headers=headers)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - same
            return json.load(answer)

    def until(self, holds: Callable[[], Any], within_s: float = PATIENCE_S) -> None:
        """Wait until something holds."""
        end = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < end, "it never came to hold"
            time.sleep(0.05)

    def remove(self, proxy: str) -> None:
        """Delete a proxy of the test's own."""
        request = urllib.request.Request(f"{self.toxiproxy.url}/proxies/{proxy}", method="DELETE")  # noqa: S310 - same
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 - same

    def proxies(self) -> dict[str, Any]:
        """The proxies on the server now."""
        return dict(self.api("/proxies"))


@pytest.fixture
def bench(tmp_path: Path, chat: ReferenceChat, toxiproxy: RunningServer) -> Iterator[Bench]:
    """Everything in place, with the plain stack and scenario written; the test's own proxies are removed."""
    made = Bench(tmp_path, chat, toxiproxy)
    made.stack()
    made.scenario()
    yield made
    for proxy in made.proxies():
        made.remove(proxy)


@pytest.fixture
def result() -> Callable[[subprocess.CompletedProcess[str]], dict[str, Any]]:
    """Read the one run of a ``--json`` answer."""

    def read(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
        assert done.stdout, done.stderr
        [run] = json.loads(done.stdout)["runs"]
        return dict(run)

    return read
