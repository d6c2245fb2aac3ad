"""A backend of another shape than ours, spoken to by a mapping alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from harness.core.clock import SystemClock
from harness.drivers.api import (
    Accepted,
    Account,
    Closed,
    Delivered,
    Device,
    Endpoint,
    Outgoing,
    Page,
    Person,
    Receipt,
    Refused,
    TokenRejected,
)
from harness.drivers.mapped.driver import MappedDriver, make
from harness.drivers.mapped.session import MappedSession

PHONE = Device("alice/phone", "alice", "ios", "1.0.0")
BOBS = Device("bob/phone", "bob", "android", "1.0.0")
PEOPLE = [Person("alice", "Alice A.", (PHONE,)), Person("bob", "Bob B.", (BOBS,))]
PATIENCE_S = 10

Write = Callable[..., Path]


class Pigeon(Protocol):
    """What the tests use of the backend."""

    http: str
    stream: str

    def wait_for(self, frame: dict[str, Any]) -> None:
        """Wait until a client has written that frame."""
        ...

    full: bool
    sessions: dict[str, int]
    lofts: list[dict[str, Any]]

    def push(self, to: int, frame: dict[str, Any]) -> None:
        """Write a frame to somebody."""
        ...


def at(pigeon: Pigeon) -> Endpoint:
    """Live connections and HTTP at two addresses: the mapping's `chat` is the stream's for `connect` only."""
    return Endpoint(pigeon.http, pigeon.http)


def driver(mapping: Path, pigeon: Pigeon) -> MappedDriver:
    """The driver; the stream has an address of its own, which a mapping may name in full."""
    mapping.write_text(mapping.read_text().replace("url: ${chat}/stream", f"url: {pigeon.stream}/stream"))
    return make({"mapping": str(mapping)})


@asynccontextmanager
async def dialled(one: MappedDriver, who: Account, device: Device, place: Endpoint) -> AsyncIterator[MappedSession]:
    """A live session, closed afterwards."""
    session = await one.connect(who, device, place, clock=SystemClock())
    assert isinstance(session, MappedSession)
    yield session
    await session.close()


def outgoing(number: int) -> Outgoing:
    """A message of alice's."""
    return Outgoing(f"c{number}", "alice+bob", "bob", f"text {number}", 0)


def test_a_message_goes_from_one_person_to_the_other(pigeon: Pigeon, mapping: Write) -> None:
    """Form login, numeric ids, a send over HTTP, a form frame live, a sync of several pages, and the archive agree."""

    async def scene() -> None:
        one = driver(mapping(), pigeon)
        accounts = await one.provision(PEOPLE, at(pigeon))
        assert one.direct_conversation("bob", "alice") == "alice+bob"
        async with (
            asyncio.timeout(PATIENCE_S),
            dialled(one, accounts["alice"], PHONE, at(pigeon)) as alice,
            dialled(one, accounts["bob"], BOBS, at(pigeon)) as bob,
        ):
            answers = [await alice.send(outgoing(number), attempt=1) for number in range(3)]
            assert all(isinstance(answer, Accepted) for answer in answers)
            live = await anext(aiter(bob.incoming()))
            first = await bob.sync(None)
            assert isinstance(first, Page)
            assert first.more
            second = await bob.sync(first.cursor)
            archive = [stored async for stored in one.read_all(accounts["bob"], at(pigeon))]
        assert isinstance(live, Delivered)
        assert (live.sender, live.conversation_id, live.body) == ("alice", "alice+bob", "text 0")
        assert live.server_time_ns == 1_700_000_000 * 10**9
        assert first.items[0] == live
        assert isinstance(second, Page)
        assert [stored.client_message_id for stored in archive] == ["c0", "c1", "c2"]

    asyncio.run(scene())


def test_receipts_go_both_ways(pigeon: Pigeon, mapping: Write) -> None:
    """Marks leave as the service writes them, without an answer; receipts come back as states and people."""

    async def scene() -> None:
        one = driver(mapping(), pigeon)
        accounts = await one.provision(PEOPLE, at(pigeon))
        async with asyncio.timeout(PATIENCE_S), dialled(one, accounts["bob"], BOBS, at(pigeon)) as bob:
            assert await bob.mark("77", "read") is None
            numbers = sorted(set(pigeon.sessions.values()))
            seen = {"op": "seen", "letter": 77, "level": 2, "who": min(numbers)}
            await asyncio.to_thread(pigeon.push, numbers[-1], seen)
            receipt = await anext(aiter(bob.incoming()))
            await asyncio.to_thread(pigeon.wait_for, {"op": "here"})
            await asyncio.to_thread(pigeon.wait_for, {"op": "seen", "letter": "77", "level": "3"})
        assert isinstance(receipt, Receipt)
        assert (receipt.message_id, receipt.state, receipt.by) == ("77", "delivered", "bob")

    asyncio.run(scene())


def test_an_error_in_an_answer_of_status_200_is_a_refusal(pigeon: Pigeon, mapping: Write) -> None:
    """The code in the body decides, and how long it asks to wait."""

    async def scene() -> None:
        one = driver(mapping(), pigeon)
        accounts = await one.provision(PEOPLE, at(pigeon))
        async with asyncio.timeout(PATIENCE_S), dialled(one, accounts["alice"], PHONE, at(pigeon)) as alice:
            assert isinstance(await alice.send(outgoing(1), attempt=1), Accepted)
            pigeon.full = True
            assert await alice.send(outgoing(2), attempt=1) == Refused("70", http_status=429, retry_after_ms=1500)
        stranger = Account("alice", "nobody", "wrong")
        assert await one.login(stranger, PHONE, at(pigeon)) == Refused("71", http_status=404)

    asyncio.run(scene())


def test_a_close_code_tells_of_a_refused_token(pigeon: Pigeon, mapping: Write) -> None:
    """A session whose key the service has forgotten ends with a rejection, then with its close code."""

    async def scene() -> None:
        one = driver(
            mapping(
                ('  hello: {frame: {op: hello, seq: "${ref}"}, answer: {when: {op: welcome, seq: "${ref}"}}}\n', "")
            ),
            pigeon,
        )
        accounts = await one.provision(PEOPLE, at(pigeon))
        credential = await one.login(accounts["alice"], PHONE, at(pigeon))
        pigeon.sessions.clear()
        session = await one.connect(accounts["alice"], PHONE, at(pigeon), clock=SystemClock(), credential=credential)
        assert isinstance(session, MappedSession)
        items = [item async for item in session.incoming()]
        assert items[0] == TokenRejected("session_over")
        assert isinstance(items[1], Closed)
        assert items[1].code == 4401

    asyncio.run(scene())


def test_two_people_get_a_conversation_of_the_services_making(pigeon: Pigeon, mapping: Write) -> None:
    """Where ids of conversations are the service's, one is made for each pair before they write, once."""
    opening = (
        'open:\n  http: POST ${chat}/lofts\n  json: {both: "${member_ids}"}\n'
        "  answer: {when: {ok: true}, conversation_id: loft}\n"
    )

    async def scene() -> None:
        one = driver(mapping(("connect:\n", opening + "connect:\n")), pigeon)
        accounts = await one.provision(PEOPLE, at(pigeon))
        await one.introduce([("bob", "alice"), ("alice", "bob")])
        await one.introduce([("bob", "alice")])
        assert one.direct_conversation("bob", "alice") == "7001"
        async with asyncio.timeout(PATIENCE_S), dialled(one, accounts["bob"], BOBS, at(pigeon)) as bob:
            async with dialled(one, accounts["alice"], PHONE, at(pigeon)) as alice:
                await alice.send(outgoing(1), attempt=1)
            live = await anext(aiter(bob.incoming()))
        assert isinstance(live, Delivered)
        assert live.conversation_id == "7001"
        assert len(pigeon.lofts) == 1
        assert len(pigeon.lofts[0]["both"]) == 2

    asyncio.run(scene())
