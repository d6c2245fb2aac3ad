"""What a Matrix device makes of a homeserver's answers, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from harness.drivers.api import (
    Accepted,
    Closed,
    Confirmed,
    Delivered,
    ForDevice,
    Groups,
    Outgoing,
    Page,
    Receipt,
    Refreshed,
    Refused,
    ToDevice,
    TokenRejected,
    Unknown,
)
from harness.drivers.matrix.session import MatrixSession
from harness.testing.homeserver import R0, Answer, eventually, homeserver

ROOM = "!r:chat.test"
SEND = f"{R0}/rooms/{ROOM}/send/m.room.message/c1"
HISTORY = f"{R0}/rooms/{ROOM}/messages"
SAID = Outgoing("c1", ROOM, "alice", "hello", 0)
Made = Callable[..., dict[str, Any]]
Connecting = Callable[..., AbstractAsyncContextManager[MatrixSession]]


async def live(session: MatrixSession, count: int) -> list[Any]:
    """The next items of the live connection."""
    incoming = session.incoming()
    return [await anext(incoming) for _ in range(count)]


def test_a_send_is_a_transaction_of_the_messages_own_id(session: Connecting) -> None:
    """The event's id is the message's; the same transaction is asked for every time, with the id in the content."""

    async def play() -> None:
        async with homeserver() as server, session(server) as bob:
            server.say(SEND, (200, {"event_id": "$e"}), (200, {"event_id": "$e"}))
            outcomes = [await bob.send(SAID, attempt=attempt) for attempt in (1, 2)]
            assert outcomes == [Accepted("$e", ROOM)] * 2
            first, second = server.to(SEND)
            assert first == second
            assert (first.method, first.token) == ("PUT", "t0")
            assert first.body == {"msgtype": "m.text", "body": "hello", "dev.chat-chaos.id": "c1"}

    asyncio.run(play())


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((401, {"errcode": "M_UNKNOWN_TOKEN", "soft_logout": True}), Refused("token_expired", 401)),
        ((401, {"errcode": "M_UNKNOWN_TOKEN"}), Refused("token_revoked", 401)),
        ((403, {"errcode": "M_FORBIDDEN"}), Refused("M_FORBIDDEN", 403)),
        ((413, {"errcode": "M_TOO_LARGE"}), Refused("M_TOO_LARGE", 413)),
        ((429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2500}), Refused("M_LIMIT_EXCEEDED", 429, 2500)),
        ((429, {"errcode": "M_LIMIT_EXCEEDED"}, {"Retry-After": "3"}), Refused("M_LIMIT_EXCEEDED", 429, 3000)),
        ((429, "slow down", {"Retry-After": "soon"}), Refused("http_429", 429)),
        ((500, {"errcode": "M_UNKNOWN"}), Unknown("M_UNKNOWN", 500)),
        ((502, "<html>bad gateway</html>"), Unknown("http_502", 502)),
        ((200, "no json"), Unknown("bad_answer", 200)),
        ((200, {"id": "no event_id"}), Unknown("bad_answer")),
    ],
)
def test_answers_are_told_apart_by_what_they_leave_behind(
    session: Connecting, answer: Answer, outcome: Refused | Unknown
) -> None:
    """A refusal where nothing was stored, unknown where it may have been, with the server's code and wish for time."""

    async def play() -> None:
        async with homeserver() as server, session(server) as bob:
            server.say(SEND, answer)
            assert await bob.send(SAID, attempt=1) == outcome

    asyncio.run(play())


def test_a_poll_brings_messages_and_receipts(session: Connecting, message: Made, synced: Made) -> None:
    """Polls go on from the token of the one before; what is no message is passed over, who has read is named."""

    async def play() -> None:
        async with homeserver() as server:
            server.say(
                f"{R0}/sync",
                (200, synced("s1", [message(1), message(2, type="m.room.member"), message(3)])),
                (200, synced("s2", [], receipts={"$e1": {"m.read": {"@carol:chat.test": {"ts": 1}}}})),
            )
            async with session(server) as bob:
                one, three, receipt = await live(bob, 3)
                assert one == Delivered("$e1", "c1", ROOM, "alice", "hello 1", None, 1_001_000_000)
                assert (three.message_id, receipt) == ("$e3", Receipt("$e1", "read", "carol"))
                await eventually(server, f"{R0}/sync", 4)
                assert [asked.query.get("since") for asked in server.to(f"{R0}/sync")] == [None, "s0", "s1", "s2"]

    asyncio.run(play())


def test_the_gap_of_a_limited_timeline_is_filled_before_it(session: Connecting, message: Made, synced: Made) -> None:
    """History is read backwards from the timeline to where the poll began, page by page, and told forwards."""

    async def play() -> None:
        async with homeserver() as server:
            server.say(f"{R0}/sync", (200, synced("s1", [message(5)], limited=True, prev_batch="p5")))
            server.say(
                HISTORY,
                (200, {"chunk": [message(4), message(3)], "end": "p3"}),
                (200, {"chunk": [message(2)], "end": "p2"}),
                (200, {"chunk": [], "end": "p2"}),
            )
            async with session(server) as bob:
                assert [item.message_id for item in await live(bob, 4)] == ["$e2", "$e3", "$e4", "$e5"]
                asked = [(one.query["from"], one.query["to"], one.query["dir"]) for one in server.to(HISTORY)]
                assert asked == [("p5", "s0", "b"), ("p3", "s0", "b"), ("p2", "s0", "b")]

    asyncio.run(play())


def test_a_gap_that_cannot_be_filled_ends_the_connection(session: Connecting, message: Made, synced: Made) -> None:
    """What lies behind it is not passed on: the device catches up from its own cursor."""

    async def play() -> None:
        async with homeserver() as server:
            server.say(f"{R0}/sync", (200, synced("s1", [message(5)], limited=True, prev_batch="p5")))
            server.say(HISTORY, (500, {"errcode": "M_UNKNOWN"}))
            async with session(server) as bob:
                assert await live(bob, 1) == [Closed(500, "M_UNKNOWN", clean=False)]

    asyncio.run(play())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            (401, {"errcode": "M_UNKNOWN_TOKEN", "soft_logout": True}),
            [TokenRejected("token_expired"), Closed(401, "token_expired", clean=False)],
        ),
        ((502, ""), [Closed(502, "http_502", clean=False)]),
        ((200, "no json"), [Closed(200, "bad_answer", clean=False)]),
    ],
)
def test_a_failed_poll_is_the_end_of_the_connection(session: Connecting, answer: Answer, said: list[Any]) -> None:
    """The first one is: another session asks where the stream stands now, and says whether the token is good."""

    async def play() -> None:
        async with homeserver() as server:
            server.say(f"{R0}/sync", answer)
            async with session(server) as bob:
                assert await live(bob, len(said)) == said

    asyncio.run(play())


def test_a_poll_that_is_never_answered_is_given_up(session: Connecting) -> None:
    """Its length and some patience after it was asked: a black hole shows in no other way."""

    async def play() -> None:
        async with homeserver() as server, session(server, poll="100ms") as bob:
            assert await live(bob, 1) == [Closed(None, "timeout", clean=False)]

    asyncio.run(play())


def test_a_sync_reads_on_until_the_token_stands_still(session: Connecting, message: Made, synced: Made) -> None:
    """A page has everything since the cursor, and there is more as long as the next token is another one."""

    async def play() -> None:
        async with homeserver() as server, session(server) as bob:
            await eventually(server, f"{R0}/sync", 2)  # the poll hangs from here on, so what follows is the sync's
            server.say(f"{R0}/sync", (200, synced("s5", [message(1)])), (200, {"next_batch": "s5"}))
            first = await bob.sync("s3")
            assert isinstance(first, Page)
            assert ([item.message_id for item in first.items], first.cursor, first.more) == (["$e1"], "s5", True)
            assert await bob.sync("s5") == Page((), "s5", more=False)

    asyncio.run(play())


def test_only_reading_is_told_to_the_server(session: Connecting, message: Made, synced: Made) -> None:
    """There is no receipt for a delivery in this protocol; one of an unknown message goes nowhere."""

    async def play() -> None:
        async with homeserver() as server:
            server.say(f"{R0}/sync", (200, synced("s1", [message(1)])))
            read = f"{R0}/rooms/{ROOM}/receipt/m.read/$e1"
            server.say(read, (200, {}))
            async with session(server) as bob:
                await live(bob, 1)
                assert [await bob.mark("$e1", "delivered"), await bob.mark("$e1", "read")] == [None, None]
                assert await bob.mark("$other", "read") == Refused("unknown_message", 404)
                assert len(server.to(read)) == 1

    asyncio.run(play())


def test_a_refreshed_token_is_used_from_then_on(session: Connecting) -> None:
    """By requests at once; a refresh that brings no refresh token leaves the old one in force."""

    async def play() -> None:
        async with homeserver() as server, session(server) as bob:
            refresh = "/_matrix/client/v3/refresh"
            server.say(refresh, (200, {"access_token": "t1", "expires_in_ms": 5000}), (403, {"errcode": "M_FORBIDDEN"}))
            server.say(SEND, (200, {"event_id": "$e"}))
            outcome = await bob.refresh()
            assert isinstance(outcome, Refreshed)
            assert (outcome.credential.token, outcome.credential.expires_in_s) == ("t1", 5.0)
            await bob.send(SAID, attempt=1)
            assert (bob.credential, server.to(SEND)[0].token) == ("t1", "t1")
            assert await bob.refresh() == Refused("M_FORBIDDEN", 403)
            assert [asked.body for asked in server.to(refresh)] == [{"refresh_token": "r0"}] * 2

    asyncio.run(play())


def test_requests_work_after_the_connection_has_ended(session: Connecting) -> None:
    """A device whose poll was cut can still send and refresh."""

    async def play() -> None:
        async with homeserver() as server, session(server) as bob:
            server.say(SEND, (200, {"event_id": "$e"}))
            await bob.close(abrupt=True)
            assert await live(bob, 1) == [Closed(None, "closed", clean=False)]
            assert await bob.send(SAID, attempt=1) == Accepted("$e", ROOM)

    asyncio.run(play())


def test_a_pusher_names_the_gateway_and_asks_for_ids_only(session: Connecting) -> None:
    """Removing it takes the same push key and no kind."""

    async def play() -> None:
        async with (
            homeserver() as server,
            session(server, push_gateway="http://127.0.0.1:9/_matrix/push/v1/notify") as bob,
        ):
            pushers = f"{R0}/pushers/set"
            server.say(pushers, (200, {}), (200, {}))
            assert [await bob.register_push("up.bob.phone.1"), await bob.register_push(None)] == [None, None]
            made, removed = (asked.body for asked in server.to(pushers))
            assert made["data"] == {"url": "http://127.0.0.1:9/_matrix/push/v1/notify", "format": "event_id_only"}
            assert [made["kind"], removed["kind"], removed["pushkey"]] == ["http", None, "up.bob.phone.1"]

    asyncio.run(play())


def test_a_session_joins_and_leaves_groups(session: Connecting) -> None:
    """What the server refuses is told as it is."""

    async def play() -> None:
        async with homeserver() as server, session(server) as bob:
            server.say(f"{R0}/rooms/{ROOM}/leave", (200, {}))
            server.say(f"{R0}/rooms/{ROOM}/join", (403, {"errcode": "M_FORBIDDEN"}))
            assert isinstance(bob, Groups)
            assert await bob.leave(ROOM) is None
            assert await bob.join(ROOM) == Refused("M_FORBIDDEN", 403)

    asyncio.run(play())


def test_to_block_is_to_ignore(session: Connecting) -> None:
    """The list is written whole, with those who stand on it already; without a list there is nobody."""

    async def play() -> None:
        async with homeserver() as server, session(server) as bob:
            listed = f"{R0}/user/@bob:chat.test/account_data/m.ignored_user_list"
            eve = {"@eve:chat.test": {}}
            server.say(listed, (404, {"errcode": "M_NOT_FOUND"}), (200, {}), (200, {"ignored_users": eve}), (200, {}))
            assert [await bob.block("eve"), await bob.block("mallory")] == [None, None]
            written = [asked.body["ignored_users"] for asked in server.to(listed) if asked.method == "PUT"]
            assert written == [eve, {**eve, "@mallory:chat.test": {}}]

    asyncio.run(play())


def key(number: int, **changes: Any) -> dict[str, Any]:
    """A message to bob's phone as it stands in an answer to /sync."""
    content = {"body": f"key {number}", "dev.chat-chaos.id": f"k{number}"}
    return {"type": "dev.chat-chaos.to_device", "sender": "@alice:chat.test", "content": content} | changes


def keys(token: str, *events: dict[str, Any]) -> Answer:
    """An answer to /sync with messages to the device alone."""
    return 200, {"next_batch": token, "to_device": {"events": list(events)}}


def test_a_message_to_a_device_is_a_transaction_of_its_own_id(session: Connecting) -> None:
    """It names the user and the device, and carries its id in the content; what the server refuses is told."""
    path = f"{R0}/sendToDevice/dev.chat-chaos.to_device/k1"

    async def play() -> None:
        async with homeserver() as server, session(server) as bob:
            server.say(path, (200, {}), (403, {"errcode": "M_FORBIDDEN"}))
            wanted = ToDevice("k1", "alice", "alice/phone", "key 1")
            assert [await bob.send_to_device(wanted) for _ in range(2)] == [None, Refused("M_FORBIDDEN", 403)]
            first, second = server.to(path)
            assert first == second
            content = {"body": "key 1", "dev.chat-chaos.id": "k1"}
            assert (first.method, first.body) == ("PUT", {"messages": {"@alice:chat.test": {"phone": content}}})

    asyncio.run(play())


def test_a_poll_confirms_what_the_one_before_has_brought(session: Connecting) -> None:
    """Once its answer is there; messages of other kinds are nobody's business here."""

    async def play() -> None:
        async with homeserver() as server:
            server.say(f"{R0}/sync", keys("s1", key(1), key(2), key(3, type="m.room_key")), keys("s2", key(4)))
            async with session(server) as bob:
                assert await live(bob, 4) == [
                    ForDevice("k1", "alice", "key 1"),
                    ForDevice("k2", "alice", "key 2"),
                    Confirmed(("k1", "k2")),
                    ForDevice("k4", "alice", "key 4"),
                ]

    asyncio.run(play())


def test_nothing_is_confirmed_that_the_reader_has_not_taken(session: Connecting) -> None:
    """The token that came with a message is shown only when the reader is through with it."""

    async def play() -> None:
        async with homeserver() as server:
            server.say(f"{R0}/sync", keys("s1", key(1)))
            async with session(server) as bob:
                incoming = bob.incoming()
                assert await anext(incoming) == ForDevice("k1", "alice", "key 1")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(eventually(server, f"{R0}/sync", 3), 0.1)
                going_on = asyncio.ensure_future(anext(incoming))
                await eventually(server, f"{R0}/sync", 3)
                assert server.to(f"{R0}/sync")[-1].query["since"] == "s1"
                going_on.cancel()

    asyncio.run(play())


def test_what_comes_to_one_who_asks_without_a_token_may_have_been_there_before(session: Connecting) -> None:
    """The beginning and a sync of the device's own bring it too, as what it is."""

    async def play() -> None:
        async with homeserver() as server:
            server.answers[f"{R0}/sync"][:] = [keys("s0", key(1))]
            async with session(server) as bob:
                incoming = bob.incoming()
                assert await anext(incoming) == ForDevice("k1", "alice", "key 1", via="sync")
                following = asyncio.ensure_future(anext(incoming))
                await eventually(server, f"{R0}/sync", 2)
                server.say(f"{R0}/sync", keys("p9", key(2)))
                syncing = asyncio.ensure_future(bob.sync("p8"))
                assert await following == ForDevice("k2", "alice", "key 2", via="sync")
                following = asyncio.ensure_future(anext(incoming))
                assert await syncing == Page((), "p9", more=True)
                following.cancel()

    asyncio.run(play())
