"""People who go by other names on the service."""

from __future__ import annotations

import asyncio
from pathlib import Path

from harness.core.clock import SystemClock
from harness.drivers.api import (
    Accepted,
    Delivered,
    Device,
    DeviceMessages,
    Endpoint,
    ForDevice,
    Group,
    Groups,
    Outgoing,
    Page,
    Person,
    Refused,
    Session,
    ToDevice,
    Unknown,
)
from harness.drivers.reference.driver import ReferenceDriver
from harness.drivers.renaming import RenamingDriver
from harness.testing.reference_chat import reference_chat

PATIENCE_S = 20
PEOPLE = [Person(name, name, (Device(f"{name}/phone", name, "ios", "1"),)) for name in ("alice", "bob")]


async def dialled(driver: RenamingDriver, at: Endpoint) -> dict[str, Session]:
    """A live session of each person."""
    accounts = await driver.provision(PEOPLE, at)
    found = {}
    for person in PEOPLE:
        session = await driver.connect(accounts[person.name], person.devices[0], at, clock=SystemClock())
        assert not isinstance(session, Refused | Unknown), session
        found[person.name] = session
    return found


async def first(session: Session) -> Delivered:
    """The first message that reaches a session."""
    async for item in session.incoming():
        if isinstance(item, Delivered):
            return item
    raise AssertionError("the session ended")


def test_two_runs_on_one_service_never_meet(tmp_path: Path) -> None:
    """Each has an alice of its own; live, in a sync and in the archive the senders have their scenario's names."""

    async def scene(url: str) -> None:
        at = Endpoint(url, url)
        drivers = [RenamingDriver(ReferenceDriver(), suffix) for suffix in ("-one", "-two")]
        runs = [await dialled(driver, at) for driver in drivers]
        conversation = drivers[0].direct_conversation("alice", "bob")
        assert conversation != drivers[1].direct_conversation("alice", "bob")
        sent = await runs[0]["alice"].send(Outgoing("c1", conversation, "bob", "hello", 1), attempt=1)
        assert isinstance(sent, Accepted)
        assert sent.conversation_id == conversation
        async with asyncio.timeout(PATIENCE_S):
            assert (await first(runs[0]["bob"])).sender == "alice"
        pages = [await run["bob"].sync(None) for run in runs]
        assert [[item.sender for item in page.items] for page in pages if isinstance(page, Page)] == [["alice"], []]
        accounts = [await driver.provision([Person("carol", "C.", ())], at) for driver in drivers]
        assert [found["carol"].user for found in accounts] == ["carol-one", "carol-two"]
        for run in runs:
            for session in run.values():
                await session.close()

    with reference_chat(tmp_path) as chat:
        asyncio.run(scene(chat.url))


def test_groups_and_credentials_are_the_drivers_own(tmp_path: Path) -> None:
    """A group is made of the scenario's names; a refreshed credential is seen; the archive tells senders."""

    async def scene(url: str) -> None:
        at = Endpoint(url, url)
        driver = RenamingDriver(ReferenceDriver(), "-x")
        accounts = await driver.provision(PEOPLE, at)
        session = await driver.connect(accounts["alice"], PEOPLE[0].devices[0], at, clock=SystemClock())
        assert not isinstance(session, Refused | Unknown)
        assert isinstance(session, Groups)
        group = await session.create_group(["alice", "bob"])
        assert isinstance(group, Group)
        before = session.credential
        await session.refresh()
        assert session.credential != before
        sent = await session.send(Outgoing("c1", group.conversation_id, None, "all", 1), attempt=1)
        assert isinstance(sent, Accepted)
        assert [stored.sender async for stored in driver.read_all(accounts["bob"], at)] == ["alice"]
        await session.close()

    with reference_chat(tmp_path) as chat:
        asyncio.run(scene(chat.url))


def test_a_message_to_a_device_finds_it_and_names_its_sender(tmp_path: Path) -> None:
    """Between people of one run, by the names of the scenario."""

    async def scene(url: str) -> None:
        sessions = await dialled(RenamingDriver(ReferenceDriver(), "-x"), Endpoint(url, url))
        alice, bob = sessions["alice"], sessions["bob"]
        assert isinstance(alice, DeviceMessages)
        assert await alice.send_to_device(ToDevice("k1", "bob", "bob/phone", "key")) is None
        async with asyncio.timeout(PATIENCE_S):
            assert await anext(bob.incoming()) == ForDevice("k1", "alice", "key")
        for session in sessions.values():
            await session.close()

    with reference_chat(tmp_path) as chat:
        asyncio.run(scene(chat.url))
