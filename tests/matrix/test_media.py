"""Messages that are files: uploaded before they are sent, fetched before they are received."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from harness.drivers.api import Accepted, Closed, Delivered, Outgoing, Page, Refused, Unknown
from harness.drivers.matrix.session import MatrixSession
from harness.testing.homeserver import R0, Answer, homeserver

Connecting = Callable[..., AbstractAsyncContextManager[MatrixSession]]
Made = Callable[..., dict[str, Any]]

ROOM = "!r:chat.test"
SAID = Outgoing("c1", ROOM, "alice", "a long text", 0, over="media")
SEND = f"{R0}/rooms/{ROOM}/send/m.room.message/c1"
UPLOAD = "/_matrix/media/r0/upload"
FILE = "mxc://chat.test/f1"
NEW, OLD = "/_matrix/client/v1/media/download/chat.test/f1", "/_matrix/media/r0/download/chat.test/f1"
UNRECOGNISED: Answer = (404, {"errcode": "M_UNRECOGNIZED"})


def test_a_file_is_uploaded_and_referred_to(session: Connecting) -> None:
    """The text is the file; the message has its address and the message's own id."""

    async def play() -> None:
        async with homeserver() as server, session(server) as bob:
            server.say(UPLOAD, (200, {"content_uri": FILE}))
            server.say(SEND, (200, {"event_id": "$e1"}))
            assert await bob.send(SAID, attempt=1) == Accepted("$e1", ROOM)
            assert [(asked.body, asked.token) for asked in server.to(UPLOAD)] == [("a long text", "t0")]
            assert [asked.body for asked in server.to(SEND)] == [
                {"msgtype": "m.file", "body": "c1", "url": FILE, "dev.chat-chaos.id": "c1"}
            ]

    asyncio.run(play())


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((413, {"errcode": "M_TOO_LARGE"}), Refused("M_TOO_LARGE", 413)),
        ((429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 500}), Refused("M_LIMIT_EXCEEDED", 429, 500)),
        ((502, "bad gateway"), Refused("http_502", 502)),
    ],
)
def test_without_its_file_no_message_is_sent(session: Connecting, answer: Answer, outcome: Refused) -> None:
    """Whatever became of the file, nobody was sent anything: a refusal, also where the upload's fate is unknown."""

    async def play() -> None:
        async with homeserver() as server, session(server) as bob:
            server.say(UPLOAD, answer)
            assert await bob.send(SAID, attempt=1) == outcome
            assert server.to(SEND) == []

    asyncio.run(play())


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ({NEW: (200, "a long text")}, "a long text"),
        ({NEW: UNRECOGNISED, OLD: (200, "a long text")}, "a long text"),
        ({NEW: (404, {"errcode": "M_NOT_FOUND"})}, ""),
    ],
)
def test_what_is_received_is_the_file(
    session: Connecting, message: Made, synced: Made, answers: dict[str, Answer], text: str
) -> None:
    """By the newer or the older way, once for all that is read; a file that is gone is a message without its text."""
    event = message(1, content={"msgtype": "m.file", "body": "c1", "url": FILE, "dev.chat-chaos.id": "c1"})

    async def play() -> None:
        async with homeserver() as server:
            server.say(f"{R0}/sync", (200, synced("s1", [event])))
            for path, answer in answers.items():
                server.say(path, answer)
            async with session(server) as bob:
                item = await anext(bob.incoming())
                assert isinstance(item, Delivered)
                assert (item.client_message_id, item.body) == ("c1", text)

    asyncio.run(play())


def test_a_file_that_cannot_be_had_now_ends_the_connection_and_the_sync(
    session: Connecting, message: Made, synced: Made
) -> None:
    """As a gap does that cannot be filled: the message comes again with the next poll from the same place."""
    event = message(1, content={"msgtype": "m.file", "body": "c1", "url": FILE})

    async def play() -> None:
        async with homeserver() as server:
            server.say(f"{R0}/sync", (200, synced("s1", [event])), (200, synced("s1", [event])))
            server.say(NEW, (500, "oops"), (500, "oops"), (200, "a long text"))
            async with session(server) as bob:
                assert await anext(bob.incoming()) == Closed(500, "http_500", clean=False)
                assert await bob.sync("s0") == Unknown("http_500", 500)
                server.say(f"{R0}/sync", (200, synced("s1", [event])))
                page = await bob.sync("s0")
                assert isinstance(page, Page)
                assert [item.body for item in page.items] == ["a long text"]

    asyncio.run(play())
