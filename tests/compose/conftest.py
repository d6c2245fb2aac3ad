"""A compose project of small services, and the tool that runs it."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import EnvironmentFault
from harness.core.stack import ComposeProject, ComposeService, Health, LinkSpec, Promises, ServiceSpec, StackSpec
from harness.stacks.api import Order
from harness.stacks.compose_cli import find_compose
from harness.stacks.watcher_client import Watcher
from harness.testing.container_engine import gone_within, left_of, required_engine
from harness.testing.lacking import lacking

if TYPE_CHECKING:
    from docker.client import DockerClient

    from harness.stacks.api import Stack

Launched = Callable[..., AbstractAsyncContextManager["Stack"]]

SERVICE = """
import os, socket, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        path, _, rest = self.path.partition("?")
        said = {"/ask": ask, "/address": address}.get(path, lambda _: os.environ["SAYS"])(rest).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
    def log_message(self, *_): pass

def ask(url):
    try:
        return urllib.request.urlopen(url, timeout=2).read().decode()
    except OSError as problem:
        return f"nothing: {problem}"

def address(_):
    return " ".join(sorted(found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None)))

print("serving", os.environ["SAYS"], flush=True)
ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""

PROJECT = """\
services:
  web: {{<<: &any {{image: "{image}", command: [python3, /service.py], volumes: ["./service.py:/service.py:ro"]}},
        environment: {{SAYS: web}}, depends_on: [store], ports: ["8080"]}}
  store: {{<<: *any, environment: {{SAYS: store}}}}
  side: {{<<: *any, environment: {{SAYS: side}}, ports: ["8080"]}}
"""


@pytest.fixture
def engine() -> Iterator[DockerClient]:
    """A client of this machine's engine."""
    with closing(required_engine()) as client:
        yield client


@pytest.fixture
def tool(engine: DockerClient) -> tuple[str, ...]:
    """The compose tool's command; skipped without one, but where CHAT_CHAOS_REQUIRE lists ``compose`` that fails."""
    del engine  # it is of no use without one
    try:
        return asyncio.run(find_compose(os.environ)).command
    except EnvironmentFault as missing:
        lacking("compose", str(missing))


@pytest.fixture
def image(engine: DockerClient) -> str:
    """An image that has a Python."""
    from harness.stacks.docker_images import ensure  # noqa: PLC0415 - the Docker SDK takes its time

    return ensure("docker/chat", engine)


@pytest.fixture
def project(tmp_path: Path, image: str) -> Path:
    """A compose file of the user's."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "service.py").write_text(SERVICE)
    (folder / "compose.yaml").write_text(PROJECT.format(image=image))
    return folder / "compose.yaml"


@pytest.fixture
def composed(tool: tuple[str, ...]) -> Callable[..., None]:
    """Run the compose tool as the user does."""

    def run(file: Path, name: str, *words: str) -> None:
        argv = [*tool, "-p", name, "-f", str(file), *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture
def stack_spec(tmp_path: Path) -> Callable[[ComposeProject], StackSpec]:
    """Make a stack of the project: people talk to web, which calls store."""

    def make(compose: ComposeProject) -> StackSpec:
        health = Health("/healthz", "client->web", 60)
        links = [LinkSpec("client->web", "client", "web", per_person=True), LinkSpec("web->db", "web", "db")]
        return StackSpec(
            name="shop",
            source=str(tmp_path / "stack.yaml"),
            driver="none",
            driver_options={},
            capabilities=frozenset(),
            promises=Promises(),
            parameters={},
            services={
                "web": ServiceSpec("web", health, None, compose=ComposeService("web", 8080)),
                "db": ServiceSpec("db", None, None, compose=ComposeService("store", 8080)),
            },
            links={link.name: link for link in links},
            compose=compose,
        )

    return make


@pytest.fixture
def launched(tmp_path: Path, tool: tuple[str, ...]) -> Launched:
    """Bring a stack up under a watcher of its own."""
    del tool  # without one there is nothing to launch by

    @asynccontextmanager
    async def launch(spec: StackSpec, run: str, people: Sequence[str] = ()) -> AsyncIterator[Stack]:
        from harness.stacks.compose import ComposeLauncher  # noqa: PLC0415 - the Docker SDK takes its time

        folder = tmp_path / run
        (folder / "logs").mkdir(parents=True)
        async with (
            Watcher.start(folder / "journal.jsonl", run=run) as watcher,
            ComposeLauncher().launch(
                Order(
                    spec=spec,
                    processes=watcher,
                    run=run,
                    folder=folder,
                    key="00",
                    people=frozenset(people),
                    proxy="embedded",
                )
            ) as stack,
        ):
            yield stack

    return launch


@pytest.fixture
def left(engine: DockerClient) -> Callable[[str], list[str]]:
    """What the engine has of a run: names of containers, networks and volumes."""
    return lambda run: left_of(run, engine)


@pytest.fixture
def gone(engine: DockerClient) -> Callable[[str, float], bool]:
    """Whether nothing is left of a run within a time."""
    return lambda run, within_s: gone_within(run, within_s, engine)
