"""The reference driver against the real reference backend, and against what is none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from harness.core.clock import SystemClock
from harness.core.errors import EnvironmentFault
from harness.drivers.api import (
    Accepted,
    Account,
    Closed,
    Delivered,
    Device,
    Endpoint,
    IncompleteRead,
    Outgoing,
    Page,
    Person,
    Refused,
    Unknown,
)
from harness.drivers.reference.driver import ReferenceDriver
from harness.drivers.reference.session import ReferenceSession
from harness.testing.reference_chat import ReferenceChat, free_port, reference_chat

PHONE = Device("alice/phone", "alice", "ios", "1.0.0")
BOBS = Device("bob/phone", "bob", "android", "1.0.0")
PEOPLE = [Person("alice", "Alice A.", (PHONE,)), Person("bob", "Bob B.", (BOBS,))]
PATIENCE_S = 10


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferenceChat]:
    """A healthy chat that the tests share; each has people of its own."""
    with reference_chat(tmp_path_factory.mktemp("chat")) as running:
        yield running


def account(name: str) -> Account:
    """The account that logging in by hand makes, if somebody has."""
    return Account(name, name, "secret-word")


def at(url: str) -> Endpoint:
    """All services at one address."""
    return Endpoint(url, url)


@asynccontextmanager
async def dialled(driver: ReferenceDriver, who: Account, device: Device, url: str) -> AsyncIterator[ReferenceSession]:
    """A live session, closed afterwards."""
    session = await driver.connect(who, device, at(url), clock=SystemClock())
    assert isinstance(session, ReferenceSession)
    yield session
    await session.close()


async def dial(url: str) -> object:
    """One attempt to connect where there is no such account or no service at all."""
    async with asyncio.timeout(PATIENCE_S):
        return await ReferenceDriver().connect(account("stranger"), PHONE, at(url), clock=SystemClock())


async def dial_to(answer: bytes | None) -> object:
    """One attempt to connect to a port that answers a login with these bytes, or with None resets it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        if answer is None:
            writer.transport.abort()
        else:
            writer.write(answer)
            writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        return await dial(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")


def test_a_message_goes_from_one_person_to_the_other(chat: ReferenceChat) -> None:
    """Accounts, login, live delivery, sync and archive agree on one message."""

    async def scene() -> None:
        driver = ReferenceDriver()
        accounts = await driver.provision(PEOPLE, at(chat.url))
        conversation = driver.direct_conversation("bob", "alice")
        async with (
            asyncio.timeout(PATIENCE_S),
            dialled(driver, accounts["alice"], PHONE, chat.url) as alice,
            dialled(driver, accounts["bob"], BOBS, chat.url) as bob,
        ):
            answer = await alice.send(Outgoing("c1", conversation, "bob", "hello", 0), attempt=1)
            assert isinstance(answer, Accepted)
            live = await anext(aiter(bob.incoming()))
            page = await bob.sync(None)
            archive = [stored async for stored in driver.read_all(accounts["bob"], at(chat.url))]
        assert isinstance(live, Delivered)
        assert isinstance(page, Page)
        assert answer.conversation_id == live.conversation_id == conversation
        assert [answer.message_id] == [live.message_id] == [each.message_id for each in archive]
        assert page.items == (live,)
        assert alice.connection != bob.connection

    asyncio.run(scene())


def test_the_archive_is_read_over_all_its_pages(chat: ReferenceChat, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pages lead to the same end as one large one."""
    monkeypatch.setattr("harness.drivers.reference.driver.ARCHIVE_PAGE", 2)
    chat.login("dave")
    sender = chat.device("carol")
    for number in range(5):
        sender.say("dave", f"text {number}")

    async def scene() -> list[str]:
        return [stored.body async for stored in ReferenceDriver().read_all(account("carol"), at(chat.url))]

    assert asyncio.run(scene()) == [f"text {number}" for number in range(5)]


def test_a_client_goes_where_the_login_sends_it(tmp_path: Path) -> None:
    """Real clients follow such an address past every proxy, so this one must be able to."""
    with reference_chat(tmp_path, ADVERTISED_URL="http://127.0.0.1:1") as chat:
        chat.login("stranger")
        assert asyncio.run(dial(chat.url)) == Refused("connect_failed")


def test_a_wrong_password_is_a_refusal(chat: ReferenceChat) -> None:
    """Nothing is stored after it, and the status tells the client why."""
    assert asyncio.run(dial(chat.url)) == Refused("bad_credentials", 401)


def test_a_closed_port_is_a_refusal() -> None:
    """Without a connection no byte left the device."""
    assert asyncio.run(dial(f"http://127.0.0.1:{free_port()}")) == Refused("connect_failed")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (None, Unknown("connection_lost")),
        (b"nonsense\r\n\r\n", Unknown("connection_lost")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Unknown("bad_answer")),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", Unknown("http_500", 500)),
        (
            b"HTTP/1.1 429 Slow\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n",
            Refused("http_429", 429, retry_after_ms=2000),
        ),
    ],
)
def test_a_login_that_goes_wrong_is_a_value(answer: bytes | None, outcome: Refused | Unknown) -> None:
    """No answer of a service, however broken, is an exception at the caller."""
    assert asyncio.run(dial_to(answer)) == outcome


def test_a_cancelled_dial_leaves_nothing_behind() -> None:
    """A caller's time limit ends a dial that a black hole has swallowed; warnings would fail this test."""
    with socket.create_server(("127.0.0.1", 0)) as silent:

        async def scene() -> set[asyncio.Task[object]]:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await dial(f"http://127.0.0.1:{silent.getsockname()[1]}")
            return asyncio.all_tasks() - {asyncio.current_task()}

        assert asyncio.run(scene()) == set()


def test_accounts_that_cannot_be_made_are_told(chat: ReferenceChat) -> None:
    """Data of an earlier run would make every later verdict worthless."""
    chat.login("frank")
    with pytest.raises(EnvironmentFault, match="no account for frank: user_exists"):
        asyncio.run(ReferenceDriver().provision([Person("frank", "Frank F.", ())], at(chat.url)))


def test_an_archive_that_breaks_off_is_incomplete(chat: ReferenceChat) -> None:
    """What could not be read is unknown, not lost."""

    async def scene() -> None:
        async for _ in ReferenceDriver().read_all(account("stranger"), at(chat.url)):
            raise AssertionError("a stranger has no archive")

    with pytest.raises(IncompleteRead, match="bad_credentials"):
        asyncio.run(scene())


class Hole:
    """A forwarder that can be told to swallow everything, in both directions, without closing anything."""

    def __init__(self, port: int) -> None:
        self.swallowing = False
        self._port = port

    async def through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._forward(reader, up_writer))
            both.create_task(self._forward(up_reader, writer))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):
                while data := await reader.read(65536):
                    if not self.swallowing:
                        writer.write(data)
        finally:
            writer.close()


@pytest.mark.slow
def test_a_device_that_only_listens_notices_a_black_hole(chat: ReferenceChat) -> None:
    """Nothing but missing pongs tells it that nobody is there any more."""
    chat.login("grace")
    hole = Hole(chat.port)

    async def scene() -> object:
        async with await asyncio.start_server(hole.through, "127.0.0.1", 0) as server, asyncio.timeout(PATIENCE_S):
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with dialled(ReferenceDriver(), account("grace"), PHONE, url) as session:
                hole.swallowing = True
                return await anext(aiter(session.incoming()))

    assert asyncio.run(scene()) == Closed(None, "keepalive_timeout", clean=False)
