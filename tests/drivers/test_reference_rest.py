"""What the reference driver asks over HTTP, against the real backend: sends, refreshes, groups, push tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from harness.core.clock import SystemClock
from harness.core.plan import Transport
from harness.drivers.api import (
    Accepted,
    Account,
    Credential,
    Delivered,
    Device,
    Endpoint,
    Group,
    Groups,
    Outgoing,
    Page,
    Refreshed,
    Refused,
    TokenRejected,
)
from harness.drivers.reference.driver import ReferenceDriver
from harness.drivers.reference.rest import Rest
from harness.drivers.reference.session import ReferenceSession
from harness.testing.reference_chat import ReferenceChat, free_port, reference_chat

PATIENCE_S = 10


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferenceChat]:
    """A healthy chat that the tests share; each has people of its own."""
    with reference_chat(tmp_path_factory.mktemp("chat")) as running:
        yield running


@asynccontextmanager
async def devices(chat: ReferenceChat, *people: str) -> AsyncIterator[list[ReferenceSession]]:
    """A live session for each of these people."""
    at = Endpoint(chat.url, chat.url)
    sessions = []
    async with asyncio.timeout(PATIENCE_S):
        for person in people:
            chat.login(person)
            device = Device(f"{person}/phone", person, "ios", "1.0.0")
            account = Account(person, person, "secret-word")
            session = await ReferenceDriver().connect(account, device, at, clock=SystemClock())
            assert isinstance(session, ReferenceSession)
            sessions.append(session)
        yield sessions
        for session in sessions:
            await session.close()


def message(number: int, recipient: str | None, conversation: str = "") -> Outgoing:
    """A message over HTTP."""
    return Outgoing(f"c{number}", conversation, recipient, f"text {number}", 0, over="http")


def command(chat: ReferenceChat, path: str, **body: object) -> None:
    """Give the service a command by its control port."""
    method = "PUT" if path == "limits" else "POST"
    headers = {"Authorization": f"Bearer {chat.control_token}"}
    chat.http.request(method, f"{chat.control_url}/{path}", json=body, headers=headers).raise_for_status()


def test_a_send_over_http_is_the_same_send(chat: ReferenceChat) -> None:
    """It reaches the recipient live, and its repetition, over whichever way, gets the same acknowledgement."""

    async def scene() -> None:
        async with devices(chat, "h-alice", "h-bob") as (alice, bob):
            answer = await alice.send(message(1, "h-bob"), attempt=1)
            again = await alice.send(replace(message(1, "h-bob"), over="websocket"), attempt=2)
            arrived = await anext(aiter(bob.incoming()))
        assert isinstance(answer, Accepted)
        assert isinstance(again, Accepted)
        assert isinstance(arrived, Delivered)
        assert replace(again, request_id=None) == answer
        assert arrived.message_id == answer.message_id
        assert answer.server_time_ns == arrived.server_time_ns

    asyncio.run(scene())


@pytest.mark.parametrize("over", ["http", "websocket"])
def test_refusals_are_the_same_on_both_ways(chat: ReferenceChat, over: Transport) -> None:
    """Their codes and statuses do not depend on how the message went."""

    async def scene() -> None:
        async with devices(chat, f"r-{over}") as (session,):
            for text, to, conversation, expected in (
                ("hello", "nobody-there", "", ("unknown_recipient", 404)),
                ("hello", None, "g:nowhere", ("not_a_member", 403)),
                ("x" * 20_000, f"r-{over}", "", ("too_large", 413)),
            ):
                outgoing = Outgoing("c1", conversation, to, text, 0, over=over)
                outcome = await session.send(outgoing, attempt=1)
                assert isinstance(outcome, Refused)
                assert (outcome.error_code, outcome.http_status) == expected

    asyncio.run(scene())


def test_a_limit_says_how_long_to_wait(chat: ReferenceChat) -> None:
    """In whole seconds over HTTP, in milliseconds on the live connection, both in milliseconds for the caller."""

    async def scene() -> None:
        async with devices(chat, "limited") as (session,):
            command(chat, "limits", per_user=0.5, overall=None)
            try:
                outcomes = [await session.send(message(number, "limited"), attempt=1) for number in range(2)]
                live = await session.send(replace(message(9, "limited"), over="websocket"), attempt=1)
            finally:
                command(chat, "limits", per_user=None, overall=None)
        refused = outcomes[1]
        assert isinstance(refused, Refused)
        assert isinstance(live, Refused)
        assert (refused.error_code, refused.http_status) == (live.error_code, live.http_status) == ("rate_limited", 429)
        assert refused.retry_after_ms
        assert refused.retry_after_ms % 1000 == 0
        assert live.retry_after_ms
        assert 0 < live.retry_after_ms <= refused.retry_after_ms

    asyncio.run(scene())


def test_an_expired_token_is_refreshed_after_the_connection_is_gone(chat: ReferenceChat) -> None:
    """The close says why, a request with the old token is refused, one with the new token is taken."""

    async def scene() -> None:
        async with devices(chat, "e-alice", "e-bob") as (alice, _):
            before = alice.credential
            command(chat, "tokens/expire", user="e-alice")
            items = [item async for item in alice.incoming()]
            refused = await alice.send(message(1, "e-bob"), attempt=1)
            refreshed = await alice.refresh()
            answer = await alice.send(message(1, "e-bob"), attempt=2)
        assert items[0] == TokenRejected("token_expired")
        assert refused == Refused("token_expired", 401)
        assert isinstance(refreshed, Refreshed)
        assert refreshed.credential.token == alice.credential != before
        assert refreshed.credential.expires_in_s == 3600
        assert isinstance(answer, Accepted)

    asyncio.run(scene())


def test_a_revoked_person_needs_a_new_login(chat: ReferenceChat) -> None:
    """The close says why, and the refresh token is gone with the access token."""

    async def scene() -> None:
        async with devices(chat, "v-alice") as (alice,):
            command(chat, "tokens/revoke", user="v-alice")
            items = [item async for item in alice.incoming()]
            refreshed = await alice.refresh()
        assert items[0] == TokenRejected("token_revoked")
        assert refreshed == Refused("refresh_rejected", 401)

    asyncio.run(scene())


def test_a_known_token_opens_a_connection_without_a_login(chat: ReferenceChat) -> None:
    """And a token that is no longer good is refused with its reason."""

    async def scene() -> object:
        at = Endpoint(chat.url, f"http://127.0.0.1:{free_port()}")
        device, account = Device("k-alice/phone", "k-alice", "ios", "1"), Account("k-alice", "k-alice", "secret-word")
        credential = Credential(chat.login("k-alice", "k-alice/phone")["token"])
        driver = ReferenceDriver()
        async with asyncio.timeout(PATIENCE_S):
            session = await driver.connect(account, device, at, clock=SystemClock(), credential=credential)
            assert isinstance(session, ReferenceSession)
            await session.close()
            command(chat, "tokens/expire", user="k-alice")
            return await driver.connect(account, device, at, clock=SystemClock(), credential=credential)

    assert asyncio.run(scene()) == Refused("token_expired", 401)


def test_groups_are_joined_left_and_blocked_in(chat: ReferenceChat) -> None:
    """Members get what is written between their joining and their leaving, unless they have blocked its author."""

    async def scene() -> None:
        async with devices(chat, "g-alice", "g-bob", "g-carol") as (alice, bob, carol):
            assert isinstance(alice, Groups)
            group = await alice.create_group(["g-alice", "g-bob"])
            assert isinstance(group, Group)
            said = group.conversation_id
            assert await carol.join(said) is None
            await alice.send(message(1, None, said), attempt=1)
            assert await bob.leave(said) is None
            assert await carol.block("g-alice") is None
            await alice.send(message(2, None, said), attempt=1)
            assert await carol.unblock("g-alice") is None
            await alice.send(replace(message(3, None, said), over="websocket"), attempt=1)
            seen = [await session.sync(None) for session in (bob, carol)]
            assert await bob.send(message(4, None, said), attempt=1) == Refused("not_a_member", 403)
        bodies = [[item.body for item in page.items] for page in seen if isinstance(page, Page)]
        assert bodies == [["text 1"], ["text 1", "text 3"]]

    asyncio.run(scene())


def test_a_push_token_comes_and_goes(chat: ReferenceChat) -> None:
    """Registered, registered again, removed."""

    async def scene() -> list[object]:
        async with devices(chat, "p-alice") as (alice,):
            return [await alice.register_push(token) for token in ("up.p-alice.phone.1", "up.p-alice.phone.1", None)]

    assert asyncio.run(scene()) == [None, None, None]


def test_without_a_refresh_token_there_is_nothing_to_refresh() -> None:
    """A protocol part that a service does not have is refused without a request."""
    nowhere = Endpoint("http://127.0.0.1:1", "http://127.0.0.1:1")
    outcome = asyncio.run(Rest(nowhere, Credential("token")).refresh())
    assert outcome == Refused("no_refresh_token", 401)


@pytest.mark.parametrize("answer", [b'{"token": 5}', b'{"nothing": "of use"}', b'"text"'])
def test_an_answer_that_says_nothing_leaves_the_fate_open(answer: bytes) -> None:
    """A success without the documented fields is no success."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
        await writer.drain()
        writer.close()

    async def scene() -> list[str]:
        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server, asyncio.timeout(PATIENCE_S):
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            rest = Rest(Endpoint(url, url), Credential("token", "refresh"))
            outcomes = [await rest.send(message(1, "bob")), await rest.refresh(), await rest.create_group(["bob"])]
        return [outcome.error_code for outcome in outcomes if not isinstance(outcome, Accepted | Refreshed | Group)]

    assert asyncio.run(scene()) == ["bad_answer"] * 3
