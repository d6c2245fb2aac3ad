"""A stack of containers behind a proxy in a container."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import time
import urllib.request
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import EnvironmentFault
from harness.stacks.api import PushRule
from harness.stacks.usage import command_of

if TYPE_CHECKING:
    from docker.client import DockerClient

    from harness.core.stack import StackSpec
    from harness.stacks.docker_stack import DockerStack

pytestmark = [pytest.mark.slow, pytest.mark.docker]

Launched = Callable[..., AbstractAsyncContextManager["DockerStack"]]
StackOf = Callable[..., "StackSpec"]


@pytest.fixture
def run() -> str:
    """The id of a run that is nobody else's."""
    return f"test-{secrets.token_hex(4)}"


async def get(url: str) -> str:
    """Ask, off the loop."""
    return await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read().decode())  # noqa: S310 - http only


def test_people_come_by_the_proxy(
    launched: Launched, stack_spec: StackOf, run: str, tmp_path: Path, left: Callable[[str], list[str]]
) -> None:
    """A request over a link and a person's own edge reach the service, a cut link does not, and nothing stays."""

    async def scene() -> None:
        async with launched(stack_spec(), run) as stack:
            assert set(stack.links()) == {"client->chat", "client:alice->chat"}
            assert await get(f"{stack.url('client->chat')}/healthz") == "fine"
            await stack.link("client->chat").enable(enabled=False)
            with pytest.raises(OSError, match=r"refused|reset|closed|remote end"):
                await get(f"{stack.url('client->chat')}/healthz")
            assert await get(f"{stack.url('client:alice->chat')}/healthz") == "fine"
            assert await get(f"{stack.direct_url('chat')}/healthz") == "fine"
            assert stack.unproxied("chat") == 0
            roots = await stack.roots()
            assert sorted(roots.values()) == ["chat", "proxy"]
            assert "serve" in " ".join(command_of(next(pid for pid, part in roots.items() if part == "proxy")))
            assert left(run)

    asyncio.run(scene())
    assert left(run) == []
    log = (tmp_path / run / "logs" / "chat.log").read_text()
    assert log.startswith("serving 127.0.0.1:")
    assert "v7" in log
    assert (tmp_path / run / "logs" / "proxy.log").exists()


def test_services_meet_by_their_link_only(launched: Launched, stack_spec: StackOf, run: str) -> None:
    """One service reaches another through the proxy, by no other name, and not at all once the link is cut."""

    async def scene() -> None:
        spec = stack_spec("store")
        async with launched(spec, run) as stack:
            ask = f"{stack.direct_url('chat')}/ask?"
            assert await get(f"{ask}http://chat-to-store:20003/healthz") == "fine"
            assert "nothing" in await get(f"{ask}http://store:8080/healthz")
            (store,) = stack.instances("store")
            found = await stack.containers.inspected(store)
            for network in found["NetworkSettings"]["Networks"].values():
                assert "nothing" in await get(f"{ask}http://{network['IPAddress']}:8080/healthz")
            await stack.link("chat->store").enable(enabled=False)
            assert "nothing" in await get(f"{ask}http://chat-to-store:20003/healthz")

    asyncio.run(scene())


def test_a_service_name_stands_for_all_replicas(launched: Launched, stack_spec: StackOf, run: str) -> None:
    """Killing and freezing a service hits every replica, ``chat.2`` one; each keeps its data and its port."""

    async def scene() -> None:
        async with launched(stack_spec(replicas=2), run) as stack:
            homes = [f"http://{each.address}" for each in stack.instances("chat")]
            assert len({await get(f"{home}/who") for home in homes}) == 2
            assert await get(f"{homes[0]}/remember?one") == "one "
            before = await stack.state("chat")
            assert before.running
            await stack.signal("chat.2", signal.SIGKILL)
            assert await stack.wait_exit("chat.2", 10)
            assert not (await stack.state("chat")).running
            assert (await stack.state("chat.1")).running
            assert not await stack.healthy("chat", 0.3)
            assert await get(f"{stack.url('client->chat')}/healthz") == "fine"
            await stack.signal("chat", signal.SIGKILL)
            assert await stack.wait_exit("chat", 10)
            assert (await stack.state("chat.1")).exit_status == 137
            await stack.start("chat")
            assert await stack.healthy("chat", 20)
            after = await stack.state("chat")
            assert after.running
            assert after.pid != before.pid
            assert after.started_ns != before.started_ns
            assert await get(f"{homes[0]}/remember?two") == "one two "
            assert await get(f"{homes[1]}/remember?other") == "other "
            await stack.signal("chat", signal.SIGSTOP)
            assert (await stack.state("chat")).running
            assert not await stack.healthy("chat", 0.3)
            await stack.signal("chat", signal.SIGCONT)
            assert await stack.healthy("chat", 10)

    asyncio.run(scene())


def test_a_service_without_an_http_health_is_asked_by_its_image(
    launched: Launched, stack_spec: StackOf, run: str
) -> None:
    """The image's own health command tells whether a service is up, and it fails while the service is frozen."""

    async def scene() -> None:
        async with launched(stack_spec("store"), run) as stack:
            assert await stack.healthy("store", 5)
            await stack.signal("store", signal.SIGSTOP)
            assert not await stack.healthy("store", 0.3)
            await stack.signal("store", signal.SIGCONT)
            assert await stack.healthy("store", 10)

    asyncio.run(scene())


def test_a_stranger_on_a_network_is_noticed(
    launched: Launched, stack_spec: StackOf, run: str, engine: DockerClient
) -> None:
    """A container that somebody connects to a run's network could go round the proxy, so the run is told."""

    async def scene() -> None:
        async with launched(stack_spec("store"), run) as stack:
            (chat,), (store,) = stack.instances("chat"), stack.instances("store")
            ((network, _), *_) = stack.containers.topology.of(store.role)
            await asyncio.to_thread(engine.api.connect_container_to_network, chat.id, network)
            with pytest.raises(EnvironmentFault, match="is not as planned: strange containers"):
                await stack.look_round()

    asyncio.run(scene())


def test_two_runs_never_meet(launched: Launched, stack_spec: StackOf, run: str) -> None:
    """Two runs of one stack side by side have other names, ports and networks."""

    async def scene() -> None:
        async with launched(stack_spec(), f"{run}-a") as one, launched(stack_spec(), f"{run}-b") as two:
            assert one.url("client->chat") != two.url("client->chat")
            await get(f"{one.direct_url('chat')}/remember?one")
            assert await get(f"{two.url('client->chat')}/remember?two") == "two "

    asyncio.run(scene())


def test_what_does_not_come_up_is_told_with_its_last_words(
    launched: Launched, stack_spec: StackOf, run: str, left: Callable[[str], list[str]], tmp_path: Path
) -> None:
    """A container that ends before it is healthy fails the launch with its log, which stays."""

    async def scene() -> None:
        async with launched(stack_spec(run=("sh", "-c", "echo this is why; exit 7")), run):
            pytest.fail("it came up")

    with pytest.raises(EnvironmentFault, match=r"chat of stack tiny ended with status 7 (.|\n)*this is why"):
        asyncio.run(scene())
    assert left(run) == []
    assert (tmp_path / run / "logs" / "chat.log").read_text() == "this is why\n"


def test_an_image_that_there_is_not(launched: Launched, stack_spec: StackOf, run: str) -> None:
    """An image that nobody has is told by its name."""

    async def scene() -> None:
        async with launched(stack_spec(build=None, image="localhost/chat-chaos-no-such-image:1"), run):
            pytest.fail("it came up")

    with pytest.raises(EnvironmentFault, match="chat-chaos-no-such-image"):
        asyncio.run(scene())


def test_data_is_kept_on_demand(launched: Launched, stack_spec: StackOf, run: str, tmp_path: Path) -> None:
    """With ``keep`` the data of each container is in the run folder at the end."""

    async def scene() -> None:
        async with launched(stack_spec(), run, keep=True) as stack:
            await get(f"{stack.direct_url('chat')}/remember?this")

    asyncio.run(scene())
    assert b"this " in (tmp_path / run / "data" / "chat.tar").read_bytes()


def test_a_clock_moves_inside_the_containers_while_they_run(launched: Launched, stack_spec: StackOf, run: str) -> None:
    """All replicas see the offset within a second, monotonic time stays, and one replica alone cannot be moved."""

    async def off_by(stack: DockerStack) -> list[float]:
        told = [(await get(f"http://{each.address}/time")).split() for each in stack.instances("chat")]
        assert all(abs(float(mono) - time.monotonic()) < 60 for _, mono in told)
        return [float(wall) - time.time() for wall, _ in told]

    async def scene() -> None:
        async with launched(stack_spec(replicas=2), run, clocks=frozenset({"chat"})) as stack:
            assert stack.clock_reason("chat") == ""
            for offset_s in (7200.0, -86400.0, 0.0):
                await stack.set_clock("chat", offset_s)
                end = time.monotonic() + 20
                while any(abs(found - offset_s) > 60 for found in await off_by(stack)):
                    assert time.monotonic() < end
                    await asyncio.sleep(0.1)
            with pytest.raises(EnvironmentFault, match="cannot be moved"):
                await stack.set_clock("chat.1", 5.0)

    asyncio.run(scene())


def test_a_providers_simulator_writes_into_the_run(
    launched: Launched, stack_spec: StackOf, run: str, tmp_path: Path
) -> None:
    """It takes commands at its published control port, and its events are in the run folder, ended in order."""

    async def scene() -> None:
        async with launched(stack_spec(providers={"push": "unipush"}), run) as stack:
            await stack.provider("push").add_rule(PushRule("gone", "unregistered"))
            assert [rule.id for rule in await stack.provider("push").rules()] == ["gone"]
            with pytest.raises(KeyError):
                stack.provider("chat")

    asyncio.run(scene())
    (events,) = (tmp_path / run / "events").glob("push-*.jsonl")
    assert json.loads(events.read_text().splitlines()[-1])["event"] == "writer_closed"
