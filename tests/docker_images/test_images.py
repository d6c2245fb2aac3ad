"""The images of chat-chaos, run."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from harness.scenario.stackfile import load_stack
from harness.stacks.docker_images import ensure
from harness.stacks.docker_plan import programs_of

if TYPE_CHECKING:
    from docker.client import DockerClient
    from docker.models.containers import Container

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600)]

MEGABYTES = {
    "chat": 190,
    "postgres": 280,
    "redis": 110,
    "toxiproxy": 120,
    "prosody": 150,
    "ejabberd": 160,
    "synapse": 370,
}
"""An image that outgrows this has something in it that nobody meant to be there."""

Run = Callable[..., "Container"]


@pytest.fixture
def run(engine: DockerClient) -> Iterator[Run]:
    """Starts containers of our images and removes them with the test."""
    started: list[Container] = []

    def start(name: str, command: list[str] | None = None, **options: Any) -> Container:
        container = engine.containers.create(ensure(f"docker/{name}", engine), command, **options)
        started.append(container)
        container.start()
        return container

    yield start
    for container in started:
        container.remove(force=True)


def _until(answer: Callable[[], bool], container: Container, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not answer():
        assert time.monotonic() < deadline, container.logs().decode()
        time.sleep(0.1)


def _says(container: Container, command: list[str], environment: Mapping[str, str] | None = None) -> str | None:
    """What a command in the container prints, None when it fails."""
    ended = container.exec_run(command, environment=dict(environment or {}))
    return ended.output.decode().strip() if ended.exit_code == 0 else None


def _sql(container: Container, statement: str, *, user: str = "chat", password: str = "") -> str | None:
    command = ["psql", "-AtX", "-w", "-h", "127.0.0.1", "-U", user, "-c", statement, "chat"]
    return _says(container, command, {"PGPASSWORD": password})


def _status(container: Container, port: int, path: str) -> int:
    container.reload()
    published = container.ports[f"{port}/tcp"][0]["HostPort"]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{published}{path}", timeout=5) as answer:
            return int(answer.status)
    except OSError:
        return 0


def _published(port: int) -> dict[str, Any]:
    return {"ports": {f"{port}/tcp": ("127.0.0.1", None)}}


@pytest.mark.parametrize("name", MEGABYTES)
def test_an_image_is_small_unprivileged_and_tells_its_health(engine: DockerClient, name: str) -> None:
    """None runs as root, each has a health check, and none leaves anonymous volumes behind."""
    args = programs_of(load_stack("synapse"), {})["chat"].args if name == "synapse" else {}
    image = engine.images.get(ensure(f"docker/{name}", engine, args=args))
    config = image.attrs["Config"]
    assert config["User"] not in {"", "root", "0"}
    assert config["Healthcheck"]["Test"]
    assert not config.get("Volumes")
    assert image.attrs["Size"] < MEGABYTES[name] * 1e6


def test_nothing_of_the_building_machine_is_in_the_image(run: Run) -> None:
    """Addresses and credentials of a package index stay in the stage that used them."""
    chat = run("chat", ["sleep", "60"])
    assert _says(chat, ["ls", "/build"]) is None
    assert _says(chat, ["grep", "-rl", "index-url", "/opt/chat-chaos/bin", "/etc/pip.conf"]) is None


def test_the_backend_answers_as_any_user(run: Run) -> None:
    """A launcher may run it under the uid that the run's files belong to; SIGTERM ends it with 0."""
    chat = run("chat", user="12345:12345", **_published(8080))
    _until(lambda: _status(chat, 8080, "/healthz") == 200, chat)
    assert _says(chat, ["healthy"]) is not None
    chat.stop(timeout=20)
    assert chat.wait()["StatusCode"] == 0


def test_the_same_image_runs_the_embedded_proxy(run: Run) -> None:
    """Our own server listens where Toxiproxy's does."""
    program = ["python3", "-P", "-m", "harness.proxy.server", "--host", "0.0.0.0"]
    proxy = run("chat", program, **_published(8474))
    _until(lambda: _status(proxy, 8474, "/version") == 200, proxy)


def test_the_clock_of_what_runs_in_the_image_can_be_moved(engine: DockerClient, run: Run) -> None:
    """The library that the label names moves wall time, leaves monotonic time and lets Python sleep."""
    image = engine.images.get(ensure("docker/chat", engine))
    variables = {
        "LD_PRELOAD": image.labels["chat-chaos.faketime"],
        "FAKETIME": "+1d",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }
    chat = run("chat", ["sleep", "60"])
    told = _says(
        chat, ["python3", "-c", "import time; time.sleep(.01); print(time.time(), time.monotonic())"], variables
    )
    assert told is not None
    wall, monotonic = map(float, told.split())
    assert 86000 < wall - time.time() < 87000
    assert abs(monotonic - time.monotonic()) < 600


def test_postgres_keeps_what_was_committed_when_it_is_killed(run: Run) -> None:
    """The database is up without any setting, and a container that is started again has its data."""
    postgres = run("postgres")
    _until(lambda: _sql(postgres, "CREATE TABLE t AS SELECT 7 AS n") is not None, postgres)
    postgres.kill()
    postgres.start()
    _until(lambda: _sql(postgres, "SELECT n FROM t") == "7", postgres)


@pytest.mark.parametrize("place", [{}, {"tmpfs": {"/data": "size=200m"}}], ids=["own folder", "empty tmpfs"])
def test_postgres_has_the_user_and_password_that_it_was_given(run: Run, place: dict[str, Any]) -> None:
    """Names and passwords may have quotes; nobody gets in without the password."""
    given = {"POSTGRES_USER": 'o"neil', "POSTGRES_PASSWORD": "it's", "POSTGRES_DB": "chat"}
    postgres = run("postgres", environment=given, **place)
    _until(lambda: _sql(postgres, "SELECT current_user", user='o"neil', password="it's") == 'o"neil', postgres)
    assert _sql(postgres, "SELECT 1", user='o"neil', password="wrong") is None
    assert _sql(postgres, "SELECT 1") is None


def test_postgres_stops_though_clients_are_connected(run: Run) -> None:
    """The engine's stop is a fast one: open connections do not hold it up, and the data is closed in order."""
    postgres = run("postgres")
    _until(lambda: _sql(postgres, "SELECT 1") == "1", postgres)
    postgres.exec_run(["psql", "-X", "-h", "127.0.0.1", "-U", "chat", "-c", "SELECT pg_sleep(300)"], detach=True)
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
    _until(lambda: _sql(postgres, sleeping) == "1", postgres)
    postgres.stop(timeout=60)
    assert postgres.wait()["StatusCode"] == 0


def test_redis_keeps_what_it_acknowledged_when_it_is_killed(run: Run) -> None:
    """A container that is started again has its data."""
    redis = run("redis")
    _until(lambda: _says(redis, ["redis-cli", "set", "k", "v"]) == "OK", redis)
    redis.kill()
    redis.start()
    _until(lambda: _says(redis, ["redis-cli", "get", "k"]) == "v", redis)


def test_toxiproxy_is_the_real_one(run: Run) -> None:
    """It answers as Toxiproxy, without the mark of the embedded server."""
    toxiproxy = run("toxiproxy", **_published(8474))
    _until(lambda: _status(toxiproxy, 8474, "/version") == 200, toxiproxy)
    assert _says(toxiproxy, ["/healthy"]) is not None
