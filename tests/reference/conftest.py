"""The reference backend for its tests: one process for what leaves no trace, one of its own for what does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from harness.testing.data_servers import HOST, DataServer, PostgresServer, postgres_server, redis_server, required
from harness.testing.reference_chat import ReferenceChat, reference_chat

Start = Callable[..., ReferenceChat]
Names = Callable[[int], list[str]]


FORMS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.cluster)]


@dataclass(frozen=True)
class Data:
    """A PostgreSQL and a Redis that the tests of a session share."""

    postgres: PostgresServer
    redis: DataServer

    def settings(self) -> dict[str, str]:
        """Return a chat's settings for an empty database of its own."""
        return {"DB": self.postgres.create(f"chat{next(_numbers)}"), "CACHE": f"redis://{HOST}:{self.redis.port}"}


@pytest.fixture(scope="session")
def data() -> Iterator[Data]:
    """Running servers; skips where their programs are missing."""
    required("postgres")
    required("redis")
    with postgres_server() as postgres, redis_server() as redis:
        yield Data(postgres, redis)


@pytest.fixture(scope="module", params=FORMS)
def chat(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[ReferenceChat]:
    """A healthy chat that the tests of a module share, in each of its forms."""
    with reference_chat(tmp_path_factory.mktemp("chat"), **_settings(request)) as running:
        yield running


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the chats of a module's tests both forms, where the module says so."""
    if "form" in metafunc.fixturenames and getattr(metafunc.module, "IN_BOTH_FORMS", False):
        metafunc.parametrize("form", FORMS, indirect=True)


@pytest.fixture
def form(request: pytest.FixtureRequest) -> str:
    """Which form a chat of the test's own has."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def start(tmp_path: Path, form: str, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Start a chat of the test's own, which it may kill and restart."""
    own = request.getfixturevalue("data").settings() if form == "postgresql" else {}
    with ExitStack() as started:
        yield lambda **settings: started.enter_context(reference_chat(tmp_path, **own, **settings))


def _settings(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "sqlite":
        return {}
    settings: dict[str, str] = request.getfixturevalue("data").settings()
    return settings


_numbers = count()


@pytest.fixture
def names() -> Names:
    """Make up names that no other test uses."""
    return lambda number: [f"person{next(_numbers)}" for _ in range(number)]


@dataclass
class Provider:
    """A push provider that answers as told: a list of (status, Retry-After) by token, the last one for good."""

    url: str = ""
    script: dict[str, list[tuple[int | None, str]]] = field(default_factory=dict)
    pushes: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, push: dict[str, Any]) -> tuple[int | None, str]:
        """Note a push and return how to answer it; without a status it is never answered."""
        with self._changed:
            self.pushes.append((time.monotonic(), push))
            self._changed.notify_all()
            answers = self.script.get(push["token"], [(200, "")])
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def of(self, token: str) -> list[float]:
        """Return when pushes to a token came."""
        return [at for at, push in self.pushes if push["token"] == token]

    def wait(self, number: int, token: str) -> list[dict[str, Any]]:
        """Wait until so many pushes to a token have come, and return them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(token)) >= number, timeout=20)
        return [push for _, push in self.pushes if push["token"] == token]


class _Answers(BaseHTTPRequestHandler):
    provider: Provider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer a push."""
        push = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, retry_after = self.provider.take(push | {"path": self.path})
        if status is None:
            self.provider.released.wait(20)
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A push provider on a port of its own."""
    made = Provider()
    handler = type("Answers", (_Answers,), {"provider": made})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.released.set()
        server.shutdown()
        thread.join()
