"""The reference driver against a scripted service: which answer becomes which outcome."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from harness.drivers.api import (
    Accepted,
    Closed,
    Confirmed,
    Credential,
    Delivered,
    Endpoint,
    ForDevice,
    Outgoing,
    Page,
    Receipt,
    Refused,
    TokenRejected,
    Unknown,
)
from harness.drivers.reference.session import ReferenceSession
from harness.drivers.wire import Wire, open_wire

MESSAGE = {
    "type": "message",
    "message_id": "m1",
    "client_message_id": "c1",
    "conversation_id": "d:alice:bob",
    "seq": 3,
    "sender": "alice",
    "body": "hello",
    "server_time_ms": 1700000000123,
    "client_time_ms": None,
}
OUTGOING = Outgoing("c1", "d:alice:bob", "bob", "hello", 1_700_000_000_123_456_789)
PATIENCE_S = 10

Answering = Callable[[ServerConnection, dict[str, Any]], Awaitable[None]]


@asynccontextmanager
async def connected(answering: Answering) -> AsyncIterator[ReferenceSession]:
    """A session with a service that treats each frame as the test says."""

    async def handle(socket: ServerConnection) -> None:
        async for text in socket:
            await answering(socket, json.loads(text))

    async with asyncio.timeout(PATIENCE_S), serve(handle, "127.0.0.1", 0, compression=None) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        wire = await open_wire(f"ws{url.removeprefix('http')}/v1/ws", {}, ping_every_s=1)
        assert isinstance(wire, Wire)
        session = ReferenceSession(
            wire, connection="alice/phone#1", credential=Credential("token"), at=Endpoint(url, url)
        )
        yield session
        await session.close(abrupt=True)


def replying(**fields: Any) -> Answering:
    """A service that answers every request with the same frame."""

    async def answer(socket: ServerConnection, request: dict[str, Any]) -> None:
        await socket.send(json.dumps({"ref": request["ref"], **fields}))

    return answer


async def send(answering: Answering) -> Accepted | Refused | Unknown:
    """Send one message to such a service."""
    async with connected(answering) as session:
        return await session.send(OUTGOING, attempt=1)


def test_an_acknowledgement_is_an_acceptance() -> None:
    """Server times are milliseconds on the wire and nanoseconds in the history."""
    ack = replying(
        type="ack", message_id="m1", client_message_id="c1", conversation_id="d", seq=3, server_time_ms=1700000000123
    )
    assert asyncio.run(send(ack)) == Accepted("m1", "d", 3, 1_700_000_000_123_000_000, "1")


def test_a_send_carries_what_the_service_needs() -> None:
    """The frame is as documented, with the client's own id and time."""
    seen: list[dict[str, Any]] = []

    async def note(socket: ServerConnection, request: dict[str, Any]) -> None:
        seen.append(request)
        await socket.close()

    asyncio.run(send(note))
    assert seen == [
        {
            "type": "send",
            "ref": "1",
            "client_message_id": "c1",
            "to": "bob",
            "body": "hello",
            "client_time_ms": 1_700_000_000_123,
        }
    ]


@pytest.mark.parametrize(("code", "status"), [("bad_request", 400), ("unknown_recipient", 404), ("id_reused", 409)])
def test_a_documented_no_is_a_refusal(code: str, status: int) -> None:
    """After these nothing was stored."""
    assert asyncio.run(send(replying(type="error", code=code, message="no"))) == Refused(code, status)


@pytest.mark.parametrize("code", ["unavailable", "something_new"])
def test_any_other_no_leaves_it_open(code: str) -> None:
    """A code that is not known to leave nothing behind proves nothing."""
    assert asyncio.run(send(replying(type="error", code=code, message="?"))) == Unknown(code)


def test_an_answer_of_another_kind_leaves_it_open() -> None:
    """A service that answers a send with a page has not acknowledged it."""
    assert asyncio.run(send(replying(type="page", items=[], cursor="0", more=False))) == Unknown("bad_answer")


async def _reset(socket: ServerConnection, _: dict[str, Any]) -> None:
    socket.transport.abort()


async def _goodbye(socket: ServerConnection, _: dict[str, Any]) -> None:
    await socket.close(1012)


async def _nonsense(socket: ServerConnection, _: dict[str, Any]) -> None:
    await socket.send("{")


@pytest.mark.parametrize("ending", [_reset, _goodbye, _nonsense])
def test_a_connection_that_ends_leaves_it_open(ending: Answering) -> None:
    """Bytes left, no answer came: the message may be stored or not."""
    assert asyncio.run(send(ending)) == Unknown("connection_lost")


def test_a_send_after_the_end_has_sent_nothing() -> None:
    """No byte left the device, so the attempt has failed for certain."""

    async def scene() -> list[object]:
        async with connected(_goodbye) as session:
            first = await session.send(OUTGOING, attempt=1)
            ends = [item async for item in session.incoming()]
            return [first, ends, await session.send(OUTGOING, attempt=2)]

    assert asyncio.run(scene()) == [
        Unknown("connection_lost"),
        [Closed(1012, "", clean=False)],
        Refused("not_connected"),
    ]


def test_an_expired_token_is_told_before_the_end() -> None:
    """A client that hears of it logs in again instead of guessing."""

    async def expire(socket: ServerConnection, _: dict[str, Any]) -> None:
        await socket.close(4001)

    async def scene() -> list[object]:
        async with connected(expire) as session:
            await session.sync(None)
            return [item async for item in session.incoming()]

    assert asyncio.run(scene()) == [TokenRejected("token_expired"), Closed(4001, "", clean=False)]


def test_what_the_service_pushes_comes_in_its_order() -> None:
    """Messages and receipts are handed on as they are, repetitions included."""

    async def push(socket: ServerConnection, request: dict[str, Any]) -> None:
        receipt = {"type": "receipt", "message_id": "m0", "state": "read", "by": "bob", "device": "bob/phone"}
        for frame in (MESSAGE, receipt, MESSAGE, {"type": "ok", "ref": request["ref"]}):
            await socket.send(json.dumps(frame))

    async def scene() -> list[object]:
        async with connected(push) as session:
            assert await session.mark("m1", "delivered") is None
            await session.close()
            return [item async for item in session.incoming()]

    message = Delivered("m1", "c1", "d:alice:bob", "alice", "hello", 3, 1_700_000_000_123_000_000)
    assert asyncio.run(scene()) == [
        message,
        Receipt("m0", "read", "bob", "bob/phone"),
        message,
        Closed(1000, "", clean=True),
    ]


def test_a_page_keeps_its_cursor() -> None:
    """The cursor belongs to the client; the driver keeps none."""
    page = replying(type="page", items=[MESSAGE], cursor="9", more=True)

    async def scene() -> Page | Refused | Unknown:
        async with connected(page) as session:
            return await session.sync("4")

    answer = asyncio.run(scene())
    assert isinstance(answer, Page)
    assert ([item.message_id for item in answer.items], answer.cursor, answer.more) == (["m1"], "9", True)


def test_an_answer_to_an_abandoned_request_disturbs_nobody() -> None:
    """A late acknowledgement is not taken for the next request's."""

    async def late(socket: ServerConnection, request: dict[str, Any]) -> None:
        if request["type"] == "sync":
            ack = {"type": "ack", "ref": "1", "message_id": "m1", "conversation_id": "d", "seq": 1, "server_time_ms": 1}
            page = {"type": "page", "ref": request["ref"], "items": [], "cursor": "0", "more": False}
            await socket.send(json.dumps(ack))
            await socket.send(json.dumps(page))

    async def scene() -> Page | Refused | Unknown:
        async with connected(late) as session:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await session.send(OUTGOING, attempt=1)
            return await session.sync(None)

    assert asyncio.run(scene()) == Page((), "0", more=False)


def test_a_message_to_the_device_is_confirmed_once_its_reader_has_taken_it() -> None:
    """The service is told of it only then, and its answer is what confirms."""
    told: list[dict[str, Any]] = []

    async def answering(socket: ServerConnection, request: dict[str, Any]) -> None:
        told.append(request)
        if request["type"] == "sync":
            await socket.send(json.dumps({"type": "to_device", "id": "k1", "sender": "alice", "body": "key"}))
            await socket.send(
                json.dumps({"type": "page", "ref": request["ref"], "items": [], "cursor": "1", "more": False})
            )
        else:
            await socket.send(json.dumps({"type": "ok", "ref": request["ref"]}))

    async def play() -> None:
        async with connected(answering) as session:
            assert await session.sync(None) == Page((), "1", more=False)
            incoming = session.incoming()
            assert await anext(incoming) == ForDevice("k1", "alice", "key")
            await session.sync("1")
            assert [request["type"] for request in told] == ["sync", "sync"]
            assert await anext(incoming) == ForDevice("k1", "alice", "key")
            assert await anext(incoming) == Confirmed(("k1",))
            confirm = told[2]
            assert confirm == {"type": "confirm", "ref": confirm["ref"], "sender": "alice", "id": "k1"}

    asyncio.run(play())
