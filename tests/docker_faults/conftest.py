"""A small stack of two services in containers, for faults to be tried on."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.core.plan import FaultPlan, ParamValue, Start
from harness.core.stack import DockerService, Health, LinkSpec, Promises, ServiceSpec, StackSpec
from harness.faults.api import Fault, World
from harness.faults.group import bind
from harness.faults.registry import kinds
from harness.stacks.api import Order
from harness.stacks.watcher_client import Watcher
from harness.testing.container_engine import required_engine
from harness.testing.fakes import FakePeople

if TYPE_CHECKING:
    from harness.stacks.docker_stack import DockerStack

SERVICE = """
import os, time, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def ask(url):
    try:
        return urllib.request.urlopen(url, timeout=1).read().decode()
    except OSError as problem:
        return f"nothing: {problem}"

def work(seconds):
    end, turns = time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        turns += 1
    return str(turns)

def take(size):
    kept.append(bytearray(int(size)))
    return "taken"

def write(size):
    try:
        with open("/data/written", "ab") as file:
            file.write(bytes(int(size)))
        return "written"
    except OSError as problem:
        return f"nothing: {problem.strerror}"

def store(name, sync):
    with open(f"/data/{name}", "wb") as file:
        file.write(name.encode())
        file.flush()
        if sync:
            os.fsync(file.fileno())
    return "stored"

def read(name):
    try:
        with open(f"/data/{name}") as file:
            return file.read()
    except OSError as problem:
        return f"nothing: {problem.strerror}"

kept = []
answers = {
    "/healthz": lambda _: "fine",
    "/ask": ask,
    "/work": work,
    "/take": take,
    "/write": write,
    "/store": lambda name: store(name, False),
    "/sync": lambda name: store(name, True),
    "/read": read,
}

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        said = answers[self.path.split("?")[0]](self.path.partition("?")[2]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
    def log_message(self, *_): pass

ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""
RUN = ("${python}", "-c", SERVICE)
SPEC = StackSpec(
    name="tiny",
    source="tiny.yaml",
    driver="none",
    driver_options={},
    capabilities=frozenset(),
    promises=Promises(),
    parameters={},
    services={
        "chat": ServiceSpec(
            "chat",
            Health("/healthz", "client->chat", 40),
            None,
            docker=DockerService(
                8080, build="docker/chat", run=RUN, env={"PORT": "${port}", "DB": "${link.chat->db}"}, data="/data"
            ),
        ),
        "db": ServiceSpec(
            "db", None, None, docker=DockerService(8080, build="docker/chat", run=RUN, env={"PORT": "${port}"})
        ),
    },
    links={name: LinkSpec(name, *name.split("->")) for name in ("client->chat", "chat->db")},
)

Launched = Callable[..., AbstractAsyncContextManager["DockerStack"]]


@pytest.fixture
def spec() -> StackSpec:
    """``chat``, which people reach and which reaches ``db``."""
    return SPEC


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Launched]:
    """Bring a stack up under a watcher of its own."""

    @asynccontextmanager
    async def launch(spec: StackSpec) -> AsyncIterator[DockerStack]:
        from harness.stacks.docker_launcher import DockerLauncher  # noqa: PLC0415 - the Docker SDK takes its time

        run = f"test-{secrets.token_hex(4)}"
        for name in ("logs", "events"):
            (tmp_path / name).mkdir()
        async with (
            Watcher.start(tmp_path / "journal.jsonl", run=run) as watcher,
            DockerLauncher().launch(Order(spec=spec, processes=watcher, run=run, folder=tmp_path, key="00")) as stack,
        ):
            yield stack  # type: ignore[misc] - it is a DockerStack

    with closing(required_engine()):
        yield launch


@pytest.fixture
def fault() -> Callable[..., Fault]:
    """Make a fault of a kind on a running stack."""

    def make(stack: DockerStack, kind: str, target: str, **params: ParamValue) -> Fault:
        defaults = {name: param.default for name, param in kinds()[kind].params.items()}
        plan = FaultPlan("f", kind, target, Start(at_s=0.0), None, {**defaults, **params})
        return bind(kinds()[kind], plan, World(stack, FakePeople()))

    return make
