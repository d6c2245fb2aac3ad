"""The driver and the stack against a real Synapse, where this machine has one installed already."""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.core.clock import SystemClock
from harness.core.errors import ControlUnavailable, EnvironmentFault
from harness.core.stack import StackSpec
from harness.drivers.api import (
    Accepted,
    Account,
    Confirmed,
    Delivered,
    Device,
    Endpoint,
    ForDevice,
    Outgoing,
    Page,
    Person,
    Receipt,
    Refreshed,
    Refused,
    ToDevice,
)
from harness.drivers.matrix.driver import MatrixDriver, make
from harness.drivers.matrix.session import MatrixSession
from harness.scenario.stackfile import load_stack
from harness.stacks.api import Limits, Order, Stack
from harness.stacks.launchers import launcher as launcher_of
from harness.stacks.watcher_client import Watcher
from harness.testing import data_servers
from harness.testing.chat_servers import required
from harness.testing.container_engine import required_engine

pytestmark = pytest.mark.slow

PEOPLE = ("alice", "bob")
PATIENCE_S = 240
IN_CONTAINERS = [pytest.mark.docker, pytest.mark.timeout(300)]
LIFE_S = 2


@dataclass(frozen=True, slots=True)
class Meeting:
    """Alice's and bob's phones on a running server, and their room."""

    stack: Stack
    driver: MatrixDriver
    alice: MatrixSession
    bob: MatrixSession
    room: str
    accounts: Mapping[str, Account]

    async def again(self, name: str) -> MatrixSession:
        """Log somebody's phone in afresh and connect it."""
        url = self.stack.url("client->chat")
        device = Device(f"{name}/phone", name, "ios", "1.0.0")
        at = Endpoint(url, url)
        session = await self.driver.connect(self.accounts[name], device, at, clock=SystemClock())
        assert isinstance(session, MatrixSession)
        return session

    def says(self, number: int) -> Outgoing:
        """A message of alice's."""
        return Outgoing(f"c{number}", self.room, "bob", f"hello {number}", 0)


Play = Callable[[Callable[[Meeting], Awaitable[None]]], None]


@asynccontextmanager
async def meeting(
    spec: StackSpec, folder: Path, timeline: str = "100", launcher: str = "embedded"
) -> AsyncIterator[Meeting]:
    """Launch a server, make accounts and connect."""
    run = f"test-{secrets.token_hex(4)}"
    for name in ("events", "logs"):
        (folder / name).mkdir(exist_ok=True)
    async with (
        asyncio.timeout(PATIENCE_S),
        Watcher.start(folder / "journal.jsonl", run=run) as watcher,
        launcher_of(launcher).launch(Order(spec=spec, processes=watcher, run=run, folder=folder, key="00")) as stack,
    ):
        secret = spec.parameters["registration_secret"]
        driver = make({"server_name": "chat.test", "registration_secret": secret, "timeline": timeline})
        url = stack.url("client->chat")
        devices = {name: Device(f"{name}/phone", name, "ios", "1.0.0") for name in PEOPLE}
        people = [Person(name, name.title(), (device,)) for name, device in devices.items()]
        accounts = await driver.provision(people, Endpoint(url, url))
        await driver.introduce([PEOPLE])
        sessions = []
        for name, device in devices.items():
            session = await driver.connect(accounts[name], device, Endpoint(url, url), clock=SystemClock())
            assert isinstance(session, MatrixSession)
            sessions.append(session)
        yield Meeting(stack, driver, *sessions, driver.direct_conversation(*PEOPLE), accounts)
        for session in sessions:
            await session.close()


@pytest.fixture
def play(tmp_path: Path, request: pytest.FixtureRequest) -> Play:
    """Runs a scene on a server; parameters of the stack and ``timeline`` of the driver by the marker ``params``."""
    required("synapse")
    parameters = dict(getattr(request, "param", {}))
    others = {name: parameters.pop(name) for name in ("timeline", "launcher") if name in parameters}
    if parameters.get("storage") == "postgres":
        data_servers.required("postgres")
    if others.get("launcher") == "docker":
        required_engine().close()

    def run(scene: Callable[[Meeting], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with meeting(load_stack("synapse", parameters=parameters), tmp_path, **others) as met:
                await scene(met)

        asyncio.run(whole())

    return run


async def the_end(session: MatrixSession, cursor: str | None = None) -> list[Delivered]:
    """Everything that a device finds behind its cursor."""
    items: list[Delivered] = []
    while True:
        page = await session.sync(cursor)
        assert isinstance(page, Page)
        items.extend(page.items)
        if not page.more:
            return items
        cursor = page.cursor


@pytest.mark.parametrize("play", [{"timeline": "2"}], indirect=True)
def test_messages_arrive_once_and_in_order_over_gaps(play: Play) -> None:
    """A repeated transaction is the same event; timelines of two events leave gaps that are filled without a double."""

    async def scene(met: Meeting) -> None:
        for number in range(8):
            first, second = [await met.alice.send(met.says(number), attempt=attempt) for attempt in (1, 2)]
            assert isinstance(first, Accepted)
            assert first == second
        wanted = [f"c{number}" for number in range(8)]
        incoming = met.bob.incoming()
        live = [await anext(incoming) for _ in wanted]
        assert [item.client_message_id for item in live if isinstance(item, Delivered)] == wanted
        assert [item.client_message_id for item in await the_end(met.bob)] == wanted

    play(scene)


@pytest.mark.parametrize(
    "play",
    [
        pytest.param({}, id="sqlite"),
        pytest.param({"storage": "postgres"}, id="postgres"),
        pytest.param({"storage": "postgres", "launcher": "docker"}, id="containers", marks=IN_CONTAINERS),
    ],
    indirect=True,
)
def test_reading_is_told_and_a_killed_server_keeps_everything(play: Play) -> None:
    """Alice hears of it on her live connection; after kill -9 the same data is there at the same port.

    Its database is killed with it, where it has one.
    """

    async def scene(met: Meeting) -> None:
        sent = await met.alice.send(met.says(1), attempt=1)
        assert isinstance(sent, Accepted)
        await the_end(met.bob)
        assert await met.bob.mark(sent.message_id, "read") is None
        async for item in met.alice.incoming():
            if isinstance(item, Receipt):
                assert item == Receipt(sent.message_id, "read", "bob")
                break
        for service in reversed(met.stack.spec.services):
            await met.stack.signal(service, signal.SIGKILL)
            assert await met.stack.wait_exit(service, 10)
            await met.stack.start(service)
            assert await met.stack.healthy(service, 60)
        assert await met.alice.send(met.says(1), attempt=2) == sent
        assert await met.alice.send(met.says(2), attempt=1) != sent
        assert [item.client_message_id for item in await the_end(met.bob)] == ["c1", "c2"]

    play(scene)


@pytest.mark.parametrize("play", [{"token_ttl": "2s", "rate": "0.2", "burst": "4"}], indirect=True)
def test_tokens_expire_and_limits_are_told(play: Play) -> None:
    """An expired token is told apart from a revoked one, and refreshing helps; a limit says how long to wait."""

    async def scene(met: Meeting) -> None:
        await asyncio.sleep(LIFE_S)
        assert await met.alice.send(met.says(1), attempt=1) == Refused("token_expired", 401)
        assert isinstance(await met.alice.refresh(), Refreshed)
        limited = [await met.alice.send(met.says(number), attempt=1) for number in range(2, 9)]
        assert any(isinstance(each, Refused) and each.http_status == 429 and each.retry_after_ms for each in limited)

    play(scene)


def test_limits_and_log_ins_are_changed_from_outside(play: Play) -> None:
    """By an administrator that nobody else knows; who is logged out everywhere is so at once, others are not."""

    async def scene(met: Meeting) -> None:
        control = met.stack.control
        assert control is not None
        assert await control.limits() == Limits(None, None)
        await control.set_limits(Limits(1.0, None))
        assert await control.limits() == Limits(1.0, None)
        limited = [await met.alice.send(met.says(number), attempt=1) for number in range(4)]
        assert any(isinstance(each, Refused) and each.http_status == 429 for each in limited)
        await control.set_limits(Limits(None, None))
        assert isinstance(await met.alice.send(met.says(9), attempt=1), Accepted)
        assert await control.valid_tokens("alice") > 0
        assert await control.revoke_tokens("alice") > 0
        assert await control.valid_tokens("alice") == 0
        assert await met.alice.send(met.says(10), attempt=1) == Refused("token_revoked", 401)
        assert isinstance(await met.bob.sync(None), Page)
        assert abs(await control.wall_ns() - time.time_ns()) < 10**9
        for beyond in (Limits(None, 8.0), Limits(0.5, None)):
            with pytest.raises(ControlUnavailable):
                await control.set_limits(beyond)
        with pytest.raises(ControlUnavailable, match="token_ttl"):
            await control.expire_tokens("bob")

    play(scene)


@pytest.mark.parametrize("play", [{"max_upload": "32K"}], indirect=True)
def test_files_arrive_whole_and_too_large_ones_are_refused(play: Play) -> None:
    """Live, by sync and in the truth; the server's own limit is told from every other refusal."""

    async def scene(met: Meeting) -> None:
        whole = replace(met.says(1), body="x" * 20_000, over="media")
        assert isinstance(await met.alice.send(whole, attempt=1), Accepted)
        item = await anext(met.bob.incoming())
        assert isinstance(item, Delivered)
        assert (item.client_message_id, item.body) == ("c1", whole.body)
        assert [each.body for each in await the_end(met.bob)] == [whole.body]
        large = replace(met.says(2), body="x" * 40_000, over="media")
        assert await met.alice.send(large, attempt=1) == Refused("M_TOO_LARGE", 413)

    play(scene)


def test_a_server_that_dies_at_its_start_is_told_with_its_own_words(play: Play, tmp_path: Path) -> None:
    """A configuration that it cannot read."""
    del play
    broken = load_stack("synapse", parameters={"token_ttl": "soon"})

    async def launch() -> None:
        async with meeting(broken, tmp_path):
            pass

    with pytest.raises(EnvironmentFault, match="ended with status 1 before it was healthy") as told:
        asyncio.run(launch())
    assert "soon" in told.value.what


def test_a_message_to_a_device_comes_until_the_device_has_confirmed_it(play: Play) -> None:
    """Again while nobody has taken it, never once it was confirmed; a repeated send makes no second."""

    async def scene(met: Meeting) -> None:
        wanted = ToDevice("k1", "bob", "bob/phone", "a key")
        assert [await met.alice.send_to_device(wanted) for _ in range(2)] == [None, None]
        await met.bob.close(abrupt=True)
        bob = await met.again("bob")
        incoming = bob.incoming()
        arrived = await anext(incoming)
        assert arrived == ForDevice("k1", "alice", "a key", via="sync")
        assert await anext(incoming) == Confirmed(("k1",))
        assert await met.alice.send_to_device(replace(wanted, id="k2")) is None
        assert await anext(incoming) == ForDevice("k2", "alice", "a key")
        await bob.close()

    play(scene)
