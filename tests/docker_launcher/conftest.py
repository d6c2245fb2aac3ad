"""A small stack in containers, and what is left of a run in the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.stack import DockerService, Health, LinkSpec, Promises, ServiceSpec, StackSpec
from harness.stacks.api import Order
from harness.stacks.watcher_client import Watcher
from harness.testing.container_engine import gone_within, left_of, required_engine

if TYPE_CHECKING:
    from docker.client import DockerClient

    from harness.stacks.docker_stack import DockerStack

Launched = Callable[..., AbstractAsyncContextManager["DockerStack"]]
RUN_LABEL = "chat-chaos.run"

SERVICE = """
import os, socket, time, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        said = answers[self.path.split("?")[0]](self.path.partition("?")[2]).encode()
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

def remember(word):
    with open("/data/words", "a") as words:
        words.write(word + " ")
    with open("/data/words") as words:
        return words.read()

answers = {
    "/healthz": lambda _: "fine",
    "/who": lambda _: socket.gethostname(),
    "/ask": ask,
    "/remember": remember,
    "/time": lambda _: f"{time.time()} {time.monotonic()}",
}
ThreadingHTTPServer.request_queue_size = 128
print("serving", os.environ["SAYS"], flush=True)
ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def engine() -> Iterator[DockerClient]:
    """A client of this machine's engine."""
    with closing(required_engine()) as client:
        yield client


@pytest.fixture
def left(engine: DockerClient) -> Callable[[str], list[str]]:
    """What the engine has of a run: names of containers, networks and volumes."""
    return lambda run: left_of(run, engine)


@pytest.fixture
def gone(engine: DockerClient) -> Callable[[str, float], bool]:
    """Whether nothing is left of a run within a time."""
    return lambda run, within_s: gone_within(run, within_s, engine)


def service(**more: Any) -> ServiceSpec:
    """The small service in a container of the reference image, which has a Python."""
    given: dict[str, Any] = {
        "port": 8080,
        "build": "docker/chat",
        "run": ("${python}", "-c", SERVICE),
        "env": {"PORT": "${port}", "SAYS": "${link.client->chat} v${parameters.version}"},
        "data": "/data",
        **more,
    }
    health = Health("/healthz", "client->chat", 40)
    return ServiceSpec("chat", health, None, "faketime", DockerService(**given))


def behind(name: str) -> ServiceSpec:
    """A service that people cannot reach; its image's health command asks it."""
    env = {"PORT": "${port}", "SAYS": name}
    return ServiceSpec(name, None, None, "none", DockerService(8080, build="docker/chat", run=RUN, env=env))


RUN = ("${python}", "-c", SERVICE)


@pytest.fixture
def stack_spec() -> Callable[..., StackSpec]:
    """Make a stack of one service behind a link of people, with others behind it."""

    def make(*others: str, providers: dict[str, str] | None = None, **more: Any) -> StackSpec:
        links = [
            LinkSpec("client->chat", "client", "chat", per_person=True),
            *(LinkSpec(f"chat->{name}", "chat", name) for name in others),
        ]
        return StackSpec(
            name="tiny",
            source="tiny.yaml",
            driver="none",
            driver_options={},
            capabilities=frozenset(),
            promises=Promises(),
            parameters={"version": "7"},
            services={"chat": service(**more), **{name: behind(name) for name in others}},
            links={link.name: link for link in links},
            providers=providers or {},
        )

    return make


@pytest.fixture
def launched(tmp_path: Path, engine: DockerClient) -> Launched:
    """Bring a stack up under a watcher of its own."""
    del engine  # without one there is nothing to launch on

    @asynccontextmanager
    async def launch(spec: StackSpec, run: str, **options: Any) -> AsyncIterator[DockerStack]:
        from harness.stacks.docker_launcher import DockerLauncher  # noqa: PLC0415 - the Docker SDK takes its time

        folder = tmp_path / run
        (folder / "logs").mkdir(parents=True)
        (folder / "events").mkdir()
        chosen: dict[str, Any] = {"people": frozenset({"alice"}), "mutant": None, "key": "00", **options}
        async with (
            Watcher.start(folder / "journal.jsonl", run=run) as watcher,
            DockerLauncher().launch(Order(spec=spec, processes=watcher, run=run, folder=folder, **chosen)) as stack,
        ):
            yield stack  # type: ignore[misc] - it is a DockerStack

    return launch
