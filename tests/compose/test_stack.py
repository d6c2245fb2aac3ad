"""A user's compose project behind the proxy, and one that runs already."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.errors import EnvironmentFault
from harness.core.stack import ComposeProject, StackSpec

if TYPE_CHECKING:
    from docker.client import DockerClient

pytestmark = [pytest.mark.slow, pytest.mark.docker]

GONE_WITHIN_S = 10.0
Spec = Callable[[ComposeProject], StackSpec]
STARTED = ComposeProject(("shop/compose.yaml",))


@pytest.fixture
def run() -> str:
    """A run id."""
    return f"compose-{secrets.token_hex(3)}"


async def said(url: str) -> str:
    """What a service answers."""

    def ask() -> str:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
            return str(answer.read().decode())

    return await asyncio.to_thread(ask)


async def by(engine: DockerClient, run: str, service: str, url: str) -> str:
    """What a service of the project hears when it asks for something."""

    def ask() -> str:
        labels = [f"chat-chaos.run={run}", f"com.docker.compose.service={service}"]
        [container] = engine.containers.list(filters={"label": labels})
        code = f"import urllib.request as u; print(u.urlopen('{url}', timeout=3).read().decode())"
        return str(container.exec_run(["python3", "-c", code]).output.decode().strip().splitlines()[-1])

    return await asyncio.to_thread(ask)


def test_the_proxy_stands_where_the_service_was(
    project: Path, stack_spec: Spec, launched: Any, engine: DockerClient, left: Any, run: str
) -> None:
    """Each caller finds the service by its name as ever, through a proxy of its own, and in no other way."""
    before = project.read_text()

    async def scene() -> None:
        async with launched(stack_spec(STARTED), run, ["alice"]) as stack:
            assert set(stack.links()) == {"client->web", "client:alice->web", "web->db"}
            for link in ("client->web", "client:alice->web"):
                assert await said(f"{stack.url(link)}/ask?http://store:8080/") == "store"
            assert await said(f"{stack.direct_url('web')}/") == "web"
            await stack.link("web->db").enable(enabled=False)
            assert (await said(f"{stack.url('client->web')}/ask?http://store:8080/")).startswith("nothing")
            assert await by(engine, run, "side", "http://store:8080/") == "store", "another caller, another proxy"
            [address] = await addresses(engine, run, "store")
            assert (await said(f"{stack.url('client->web')}/ask?http://{address}:8080/")).startswith("nothing")
            await stack.link("web->db").enable(enabled=True)
            assert await said(f"{stack.url('client->web')}/ask?http://store:8080/") == "store"
            assert stack.unproxied("web") == 0

    asyncio.run(scene())
    assert left(run) == []
    assert project.read_text() == before


async def addresses(engine: DockerClient, run: str, service: str) -> list[str]:
    """The addresses of a service's container."""

    def look() -> list[str]:
        labels = [f"chat-chaos.run={run}", f"com.docker.compose.service={service}"]
        [container] = engine.containers.list(filters={"label": labels})
        return [its["IPAddress"] for its in container.attrs["NetworkSettings"]["Networks"].values()]

    return await asyncio.to_thread(look)


def test_a_killed_service_comes_back_at_the_same_place(
    project: Path, stack_spec: Spec, launched: Any, run: str
) -> None:
    """Signals reach the containers; ports and names stay, so that every way leads there again."""
    assert project.exists()

    async def scene() -> None:
        async with launched(stack_spec(STARTED), run) as stack:
            for service in ("web", "db"):
                before = stack.url("client->web")
                await stack.signal(service, signal.SIGKILL)
                assert await stack.wait_exit(service, 10)
                assert not (await stack.state(service)).running
                await stack.start(service)
                assert await stack.healthy("web", 60)
                assert stack.url("client->web") == before
                assert await eventually(f"{before}/ask?http://store:8080/") == "store"

    asyncio.run(scene())


async def eventually(url: str) -> str:
    """What is said once it is no longer nothing, or after thirty tries."""
    for _ in range(30):
        if not (heard := await said(url)).startswith("nothing"):
            break
        await asyncio.sleep(1)
    return heard


def test_a_project_that_does_not_come_up_is_told(
    project: Path, stack_spec: Spec, launched: Any, left: Any, run: str
) -> None:
    """With the tool's last words, and nothing is left."""
    project.write_text(project.read_text().replace("SAYS: store}", "SAYS: store}, entrypoint: [/no/such/program]"))

    async def scene() -> None:
        async with launched(stack_spec(STARTED), run):
            pytest.fail("it must not come up")

    with pytest.raises(EnvironmentFault) as told:
        asyncio.run(scene())
    assert "up` ended with status" in told.value.what
    assert left(run) == []


HARNESS = """
import asyncio, sys
from pathlib import Path
from harness.core.stack import ComposeProject, ComposeService, Health, LinkSpec, Promises, ServiceSpec, StackSpec
from harness.stacks.api import Order
from harness.stacks.compose import ComposeLauncher
from harness.stacks.watcher_client import Watcher

run, folder = sys.argv[1], Path(sys.argv[2])
spec = StackSpec(
    "shop", str(folder / "stack.yaml"), "none", {}, frozenset(), Promises(), {},
    {
        "web": ServiceSpec("web", Health("/", "client->web", 60), None, compose=ComposeService("web", 8080)),
        "db": ServiceSpec("db", None, None, compose=ComposeService("store", 8080)),
    },
    {
        "client->web": LinkSpec("client->web", "client", "web"),
        "web->db": LinkSpec("web->db", "web", "db"),
    },
    compose=ComposeProject(("shop/compose.yaml",)),
)

async def main():
    async with (
        Watcher.start(folder / "journal.jsonl", run=run) as watcher,
        ComposeLauncher().launch(Order(spec=spec, processes=watcher, run=run, folder=folder, key="00")),
    ):
        print("up", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("up", [True, False], ids=["when it is up", "while it comes up"])
def test_sigkill_leaves_nothing(project: Path, left: Any, gone: Any, run: str, tool: Any, up: bool) -> None:
    """Containers, networks and volumes of the run are gone ten seconds after the harness was killed."""
    assert tool
    folder = project.parent.parent
    (folder / "logs").mkdir()
    with subprocess.Popen([sys.executable, "-c", HARNESS, run, str(folder)], stdout=subprocess.PIPE) as harness:
        assert harness.stdout is not None
        try:
            if up:
                assert harness.stdout.readline() == b"up\n"
            else:
                wait_for(lambda: len(left(run)) > 1)
        finally:
            harness.kill()
    assert gone(run, GONE_WITHIN_S), left(run)


def wait_for(holds: Callable[[], Any]) -> None:
    """Ask until it holds."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.1)


@pytest.fixture
def running(project: Path, composed: Callable[..., None]) -> Iterator[str]:
    """The project, started by its user."""
    name = f"theirs{os.getpid()}"
    composed(project, name, "up", "-d")
    yield name
    composed(project, name, "down", "-v", "-t", "0")


def test_a_project_that_runs_already_is_met_and_left_alone(
    running: str, stack_spec: Spec, launched: Any, engine: DockerClient, run: str
) -> None:
    """People come to its published port through a proxy of the run; its containers are the same afterwards."""

    def containers() -> dict[str, str]:
        found = engine.containers.list(filters={"label": f"com.docker.compose.project={running}"})
        return {each.id: each.attrs["State"]["StartedAt"] for each in found}

    before = containers()
    assert len(before) == 3

    async def scene() -> None:
        async with launched(stack_spec(ComposeProject(project=running)), run, ["alice"]) as stack:
            assert set(stack.links()) == {"client->web", "client:alice->web"}
            assert stack.launcher == "compose"
            assert await said(stack.url("client:alice->web")) == "web"
            await stack.link("client:alice->web").enable(enabled=False)
            assert await said(stack.url("client->web")) == "web"

    asyncio.run(scene())
    assert containers() == before


def test_a_project_that_does_not_run_is_told(stack_spec: Spec, launched: Any, run: str) -> None:
    """One sentence, before anything is made."""

    async def scene() -> None:
        async with launched(stack_spec(ComposeProject(project="nobodys")), run):
            pytest.fail("it must not be met")

    with pytest.raises(EnvironmentFault, match="no container of compose project 'nobodys' runs"):
        asyncio.run(scene())
