"""What the Matrix driver does for people at a homeserver: accounts, rooms, log-ins, and the reading of the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from harness.core.clock import SystemClock
from harness.core.errors import EnvironmentFault, UsageError
from harness.drivers.api import (
    Account,
    Credential,
    Device,
    Group,
    Groups,
    IncompleteRead,
    Introductions,
    Person,
    Refused,
    Stored,
)
from harness.drivers.matrix.driver import MatrixDriver, make
from harness.testing.homeserver import R0, Answer, Homeserver, homeserver

REGISTER = "/_synapse/admin/v1/register"
ROOM = "!r:chat.test"
PHONE = Device("bob/phone", "bob", "ios", "1.0.0")
PEOPLE = [Person(name, name.title(), ()) for name in ("alice", "bob")]
BOB = Account("bob", "bob", "secret-word")
Made = Callable[..., Any]


async def provisioned(driver: MatrixDriver, server: Homeserver) -> None:
    """Make accounts for alice and bob, with the tokens t-alice and t-bob."""
    for person in PEOPLE:
        server.say(REGISTER, (200, {"nonce": "n"}), (200, {"access_token": f"t-{person.name}"}))
        await driver.provision([person], server.at)


def test_accounts_are_made_with_the_registration_secret(driver: Made) -> None:
    """The mac is the one of Synapse's documentation; nobody becomes an administrator."""

    async def play() -> None:
        async with homeserver() as server:
            await provisioned(driver(), server)
            nonce, made, *_ = server.to(REGISTER)
            assert (nonce.method, made.method) == ("GET", "POST")
            assert (made.body["username"], made.body["admin"], len(made.body["mac"])) == ("alice", False, 40)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("code", "hint"), [("M_USER_IN_USE", "fresh data"), ("M_FORBIDDEN", "registration_shared_secret"), ("M_X", "log")]
)
def test_an_account_that_is_not_made_is_told(driver: Made, code: str, hint: str) -> None:
    """Whose, why, and what to do."""

    async def play() -> None:
        async with homeserver() as server:
            server.say(REGISTER, (200, {"nonce": "n"}), (400, {"errcode": code}))
            with pytest.raises(EnvironmentFault, match=f"alice: {code}") as told:
                await driver().provision(PEOPLE[:1], server.at)
            assert hint in told.value.hint

    asyncio.run(play())


def test_two_people_are_introduced_once(driver: Made) -> None:
    """One makes the room, the other joins it by their own hand; both find it, whoever writes first."""

    async def play() -> None:
        async with homeserver() as server:
            made = driver()
            assert isinstance(made, Introductions)
            await provisioned(made, server)
            server.say(f"{R0}/createRoom", (200, {"room_id": ROOM}))
            server.say(f"{R0}/join/{ROOM}", (200, {"room_id": ROOM}))
            await made.introduce([("alice", "bob"), ("bob", "alice")])
            await made.introduce([("bob", "alice")])
            assert made.direct_conversation("bob", "alice") == made.direct_conversation("alice", "bob") == ROOM
            assert {asked.token for asked in (*server.to(f"{R0}/createRoom"), *server.to(f"{R0}/join/{ROOM}"))} == {
                "t-alice",
                "t-bob",
            }
            with pytest.raises(EnvironmentFault, match="no room"):
                made.direct_conversation("alice", "eve")

    asyncio.run(play())


def test_whoever_asks_again_for_a_group_gets_the_same(driver: Made) -> None:
    """The room is made once, however often its maker gave up waiting while the others joined."""

    async def play() -> None:
        async with homeserver() as server:
            made = driver()
            await provisioned(made, server)
            phone = Device("alice/phone", "alice", "ios", "1.0.0")
            shown = Credential("t0")
            alice = await made.connect(BOB, phone, server.at, clock=SystemClock(), credential=shown)
            assert isinstance(alice, Groups)
            joined: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            server.say(f"{R0}/createRoom", (200, {"room_id": ROOM}), (200, {"room_id": "!next:chat.test"}))
            server.say(f"{R0}/join/{ROOM}", joined)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await alice.create_group(["alice", "bob"])
            again = asyncio.create_task(alice.create_group(["alice", "bob"]))
            joined.set_result((200, {"room_id": ROOM}))
            assert await again == Group(ROOM)
            assert await alice.create_group(["alice"]) == Group("!next:chat.test")
            first, _ = server.to(f"{R0}/createRoom")
            assert first.body["initial_state"][0]["content"] == {"history_visibility": "joined"}
            await alice.close()

    asyncio.run(play())


def test_a_login_asks_for_a_refresh_token(driver: Made) -> None:
    """A server that issues none gives an access token only."""

    async def play() -> None:
        async with homeserver() as server:
            tokens = {"access_token": "t1", "refresh_token": "r1", "expires_in_ms": 60000}
            server.say(f"{R0}/login", (200, tokens), (200, {"access_token": "t2"}), (403, {"errcode": "M_FORBIDDEN"}))
            outcomes = [await driver().login(BOB, PHONE, server.at) for _ in range(3)]
            assert outcomes == [Credential("t1", "r1", 60.0), Credential("t2"), Refused("M_FORBIDDEN", 403)]
            assert (server.asked[0].body["device_id"], server.asked[0].body["refresh_token"]) == ("phone", True)

    asyncio.run(play())


def test_a_session_that_may_not_begin_is_refused(driver: Made) -> None:
    """The first sync says whether the token is good."""

    async def play() -> None:
        async with homeserver() as server:
            server.answers[f"{R0}/sync"] = [(401, {"errcode": "M_UNKNOWN_TOKEN", "soft_logout": True})]
            refused = await driver().connect(BOB, PHONE, server.at, clock=SystemClock(), credential=Credential("t0"))
            assert refused == Refused("token_expired", 401)

    asyncio.run(play())


def read_all(driver: MatrixDriver, *history: dict[str, Any], rest: dict[str, Any] | None = None) -> list[Stored]:
    """What the oracle reads for bob from a room with this history, oldest first, of which a sync tells the last."""

    async def play() -> list[Stored]:
        async with homeserver() as server:
            timeline = {"events": [history[-1]], "limited": True, "prev_batch": "p"}
            room = {"timeline": timeline}
            server.say(f"{R0}/login", (200, {"access_token": "t"}))
            server.answers[f"{R0}/sync"] = [(200, {"next_batch": "s", "rooms": {"leave": {ROOM: room}}})]
            page = {"chunk": list(reversed(history[:-1]))}
            server.say(f"{R0}/rooms/{ROOM}/messages", (200, page) if rest is None else (500, rest))
            return [stored async for stored in driver.read_all(BOB, server.at)]

    return asyncio.run(play())


def test_the_oracle_reads_rooms_to_their_beginning(driver: Made, message: Made, state: Made) -> None:
    """Rooms that were left too; every message with its place, counted over all that happened in the room."""
    found = read_all(driver(), state("create", "alice"), state("member", "bob", "join"), message(1), message(2))
    assert [(stored.message_id, stored.client_message_id, stored.conversation_seq) for stored in found] == [
        ("$e1", "c1", 3),
        ("$e2", "c2", 4),
    ]


@pytest.mark.parametrize(
    "history",
    [
        [("member", "bob", "join")],
        [("create", "alice"), ("member", "bob", "join"), ("member", "bob", "leave"), ("member", "bob", "join")],
        [("create", "alice"), ("history_visibility", "alice", "joined"), ("member", "bob", "join")],
    ],
    ids=["without its beginning", "came back", "came later where earlier messages are kept from who comes later"],
)
def test_no_places_are_given_where_a_reading_may_have_holes(
    driver: Made, message: Made, state: Made, history: list[tuple[str, ...]]
) -> None:
    """The messages are there, their places are unknown."""
    found = read_all(driver(), *(state(*each) for each in history), message(1))
    assert [(stored.message_id, stored.conversation_seq) for stored in found] == [("$e1", None)]


def test_a_reading_that_breaks_off_says_so(driver: Made, message: Made) -> None:
    """What was not read is unknown, not lost."""
    with pytest.raises(IncompleteRead, match="bob could not be read to their end: M_UNKNOWN"):
        read_all(driver(), message(1), message(2), rest={"errcode": "M_UNKNOWN"})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"registration_secret": "x"}, "needs the option 'server_name'"),
        ({"server_name": "s", "registration_secret": "x", "colour": "red"}, "no option 'colour'"),
        ({"server_name": "s", "registration_secret": "x", "poll": "soon"}, "poll is 'soon'"),
        ({"server_name": "s", "registration_secret": "x", "timeline": "0"}, "timeline is '0'"),
    ],
)
def test_wrong_options_are_told(options: dict[str, str], text: str) -> None:
    """In one sentence, with what is wanted."""
    with pytest.raises(UsageError, match=text) as told:
        make(options)
    assert told.value.hint
