"""What a device makes of what a server says, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from harness.drivers.api import (
    Accepted,
    Bounced,
    Closed,
    Delivered,
    Incoming,
    Outgoing,
    Page,
    Receipt,
    Refused,
    Unknown,
)
from harness.drivers.xmpp.archive import Cursor
from harness.drivers.xmpp.driver import XmppDriver
from harness.drivers.xmpp.session import XmppSession
from harness.testing.xmpp_server import Scene, Wire, xmpp_server

Made = Callable[..., XmppDriver]
Connecting = Callable[..., AbstractAsyncContextManager[XmppSession]]

BOUNCE = (
    "<message type='error' id='c1'><error type='cancel'>"
    "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
)
SAID = Outgoing("c1", "alice+bob", "alice", "hello", 0)
SM = "xmlns='urn:xmpp:sm:3'"
ALICE = "from='alice@chat.test/phone' to='bob@chat.test'"
HELLO = "<body>hello</body><origin-id xmlns='urn:xmpp:sid:0' id='c7'/>"
KEPT = "<delay xmlns='urn:xmpp:delay' from='chat.test' stamp='2026-01-01T00:00:00Z'/>"
OWN = "from='bob@chat.test' to='bob@chat.test/phone'"
SENT = "<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
COPIED = "<message xmlns='jabber:client' from='bob@chat.test/laptop' to='alice@chat.test' id='c7'>"
CARBON = f"{SENT}{COPIED}{HELLO}</message></forwarded></sent>"
LIVE = Delivered("c7", "c7", "alice+bob", "alice", "hello", via="live")
CONFLICT = "<stream:error><conflict xmlns='urn:x'/></stream:error></stream:stream>"


def bound(*says: str) -> Scene:
    """A server that lets the device in, says something and listens until it goes away."""

    async def scene(wire: Wire) -> None:
        await wire.logs_in()
        await wire.binds()
        for text in says:
            wire.says(text)
        await wire.hears("never")

    return scene


def play(session: Connecting, driver: XmppDriver, scene: Scene, act: Callable[[XmppSession], Awaitable[Any]]) -> Any:
    """Let bob's device act against a server; return what came of it."""

    async def whole() -> Any:
        async with asyncio.timeout(20), xmpp_server(scene) as at, session(driver, at) as bob:
            return await act(bob)

    return asyncio.run(whole())


async def first(bob: XmppSession) -> Incoming:
    """The next item of the live connection."""
    return await anext(bob.incoming())


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        (f"<a {SM} h='3'/>", Accepted("c1", "alice+bob")),
        (f"<a {SM} h='2'/><a {SM} h='3'/>", Accepted("c1", "alice+bob")),
        (
            "<message type='error' id='c1'><error type='cancel'>"
            "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" + f"<a {SM} h='3'/>",
            Refused("forbidden", 403),
        ),
        (
            "<message type='error' id='c1'><error type='wait'>"
            "<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" + f"<a {SM} h='3'/>",
            Refused("resource_constraint"),
        ),
        (f"<a {SM} h='9'/>", Unknown("connection_lost")),
        ("</stream:stream>", Unknown("connection_lost")),
    ],
)
def test_only_what_the_servers_count_covers_is_accepted(
    driver: Made, session: Connecting, answers: str, outcome: object
) -> None:
    """Two stanzas went before the message: a count of 2 says nothing of it; a bounce before the count is a refusal."""

    async def scene(wire: Wire) -> None:
        await wire.logs_in()
        await wire.binds()
        written = await wire.hears("message")
        assert (written.get("to"), written.get("id"), written.words("body")) == ("alice@chat.test", "c1", "hello")
        await wire.hears("r")
        wire.says(answers)
        await wire.hears("never")

    assert play(session, driver(), scene, lambda bob: bob.send(SAID, attempt=1)) == outcome


@pytest.mark.parametrize(
    ("said", "item"),
    [
        (
            f"<message {ALICE} id='c7'>{HELLO}</message>",
            Delivered("c7", "c7", "alice+bob", "alice", "hello", via="live"),
        ),
        (
            f"<message {ALICE} id='c7~2'>{HELLO}</message>",
            Delivered("c7~2", "c7", "alice+bob", "alice", "hello", via="live"),
        ),
        (
            f"<message {ALICE} id='c7'>{HELLO}{KEPT}</message>",
            Delivered("c7", "c7", "alice+bob", "alice", "hello", via="offline"),
        ),
        (f"<message {OWN}>{CARBON}</message>", Delivered("c7", "c7", "alice+bob", "bob", "hello", via="carbon")),
        (
            f"<message {ALICE}><received xmlns='urn:xmpp:receipts' id='c1'/></message>",
            Receipt("c1", "delivered", "alice", "alice/phone"),
        ),
        (
            f"<message {ALICE}><displayed xmlns='urn:xmpp:chat-markers:0' id='c1'/></message>",
            Receipt("c1", "read", "alice", "alice/phone"),
        ),
        (
            "<stream:error><conflict xmlns='urn:x'/></stream:error></stream:stream>",
            Closed(None, "conflict", clean=False),
        ),
        ("</stream:stream>", Closed(None, "closed_by_server", clean=True)),
        ("<!-- -->", Closed(None, "restricted_xml", clean=False)),
    ],
)
def test_what_comes_is_told_apart(driver: Made, session: Connecting, said: str, item: Incoming) -> None:
    """Live, from the offline store, by carbon; receipts, markers, and the ways in which a stream ends."""
    assert play(session, driver(), bound(said), first) == item


def test_nobody_else_sends_carbons(driver: Made, session: Connecting) -> None:
    """A copy that comes from another address than the own account is no message (CVE-2017-5589 and the like)."""
    forged = f"<message {ALICE}>{CARBON}</message>"
    true = f"<message {ALICE} id='c8'><body>true</body></message>"
    item = play(session, driver(), bound(forged + true), first)
    assert item == Delivered("c8", "c8", "alice+bob", "alice", "true", via="live")


def sent_and_heard(session: Connecting, driver: XmppDriver, answer: str) -> object:
    """Send one message that is answered so; return its outcome and what the sender hears first."""

    async def scene(wire: Wire) -> None:
        await wire.logs_in()
        await wire.binds()
        await wire.hears("r")
        wire.says(answer)
        await wire.hears("never")

    async def act(bob: XmppSession) -> object:
        return await bob.send(SAID, attempt=1), await first(bob)

    return play(session, driver, scene, act)


def test_who_cannot_be_reached_does_not_undo_what_the_server_took(driver: Made, session: Connecting) -> None:
    """The error came before the count, and says nothing of the stanza: the sender's archive has it."""
    assert sent_and_heard(session, driver(), f"{BOUNCE}<a {SM} h='3'/>") == (
        Accepted("c1", "alice+bob"),
        Bounced("c1", "c1", "service_unavailable"),
    )


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("<x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x>", None),
        (
            "<error type='auth'><registration-required xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
            Refused("registration_required", 404),
        ),
    ],
)
def test_a_device_is_in_a_room_when_the_room_says_so(
    driver: Made, session: Connecting, answer: str, outcome: object
) -> None:
    """By its own presence, marked as such: others' presences come before it."""
    other = "<x xmlns='http://jabber.org/protocol/muc#user'/>"

    async def scene(wire: Wire) -> None:
        await wire.logs_in()
        await wire.binds()
        while (heard := await wire.hears("presence")).get("to") != "r@groups.chat.test/bob/phone":
            pass
        [wanted] = heard.children
        assert [child.get("maxstanzas") for child in wanted.children] == ["0"]
        kind = " type='error'" if outcome else ""
        wire.says(f"<presence from='r@groups.chat.test/alice/phone'>{other}</presence>")
        wire.says(f"<presence from='r@groups.chat.test/bob/phone'{kind}>{answer}</presence>")
        await wire.hears("never")

    assert play(session, driver(), scene, lambda bob: bob.join("r@groups.chat.test")) == outcome


def test_messages_of_a_room_are_their_occupants(driver: Made, session: Connecting) -> None:
    """The conversation is the room; who wrote it is told by the occupant's name; nobody is told of its reading."""
    said = f"<message type='groupchat' from='r@groups.chat.test/alice/phone' id='c7'>{HELLO}</message>"

    async def act(bob: XmppSession) -> object:
        return await first(bob), await bob.mark("c7", "delivered")

    item = Delivered("c7", "c7", "r@groups.chat.test", "alice", "hello", via="live")
    assert play(session, driver(), bound(said), act) == (item, None)


def test_without_a_service_there_are_no_rooms(driver: Made, session: Connecting) -> None:
    """The stack file names it; the driver says what it can do accordingly."""
    assert play(session, driver(), bound(), lambda bob: bob.create_group(["bob"])) == Refused("no_rooms", 404)
    assert "groups" not in driver().capabilities
    assert "groups" in driver(rooms="groups.chat.test").capabilities


def test_a_cursor_tells_archives_apart() -> None:
    """What was written down is read back; an archive of which nothing was read yet begins at its beginning."""
    cursor = Cursor.of("a4 r@groups.chat.test=b7")
    assert [cursor.after(archive) for archive in (None, "r@groups.chat.test", "s@groups.chat.test")] == ["a4", "b7", ""]
    assert str(cursor.moved("r@groups.chat.test", "b9")) == "a4 r@groups.chat.test=b9"
    assert cursor.moved(None, "") == cursor
    assert str(Cursor.of("").moved("s@x", "1")) == " s@x=1"


def test_a_late_bounce_is_news_of_an_accepted_message(driver: Made, session: Connecting) -> None:
    """The acknowledgement came first, so the send was accepted; then the message came back."""
    assert sent_and_heard(session, driver(), f"<a {SM} h='3'/>{BOUNCE}") == (
        Accepted("c1", "alice+bob"),
        Bounced("c1", "c1", "service_unavailable"),
    )


@pytest.mark.parametrize(("acks", "answered"), [("prompt", "2"), ("withheld", None)])
def test_acknowledgements_may_be_withheld(driver: Made, session: Connecting, acks: str, answered: str | None) -> None:
    """Two stanzas came before the question; what the server hears before the answer to its ping tells which it is."""
    heard: list[str] = []

    async def scene(wire: Wire) -> None:
        await wire.logs_in()
        await wire.binds()
        wire.says(f"<message {ALICE} id='c7'>{HELLO}</message><presence/><r {SM}/>")
        wire.says("<iq type='get' id='s1'><ping xmlns='urn:xmpp:ping'/></iq>")
        while (answer := await wire.hears_any()).name != "iq" or answer.get("id") != "s1":
            heard.append(f"{answer.name} {answer.get('h')}")
        await wire.hears("never")

    play(session, driver(acks=acks), scene, first)
    assert [each for each in heard if each.startswith("a ")] == ([f"a {answered}"] if answered else [])


def test_the_archive_comes_page_by_page_in_its_own_order(driver: Made, session: Connecting) -> None:
    """The cursor is the archive's id; what is no message moves it, too; forged pages are nobody's."""

    def entry(query: str, number: int, inner: str) -> str:
        forwarded = (
            f"<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:0{number}Z'/>"
        )
        return (
            f"<result xmlns='urn:xmpp:mam:2' queryid='{query}' id='a{number}'>{forwarded}"
            f"<message xmlns='jabber:client' {ALICE} id='c{number}'>{inner}</message></forwarded></result>"
        )

    async def page(wire: Wire, after: str | None, last: str, *, more: bool) -> None:
        asked = await wire.hears("iq")
        [query] = [child for child in asked.children if child.ns == "urn:xmpp:mam:2"]
        rsm = query.child("set", "http://jabber.org/protocol/rsm")
        assert rsm is not None
        assert rsm.words("after", "http://jabber.org/protocol/rsm") == after
        name, numbers = query.get("queryid"), (2, 1) if more else (3,)
        wire.says(f"<message {ALICE}>{entry(name, 9, '<body>forged</body>')}</message>")
        for number in numbers:
            wire.says(f"<message {OWN}>{entry(name, number, f'<body>{number}</body>')}</message>")
        receipt = entry(name, 4, "<received xmlns='urn:xmpp:receipts' id='c1'/>")
        wire.says(f"<message {OWN}>{receipt}</message>")
        complete = "false" if more else "true"
        wire.says(
            f"<iq type='result' id='{asked.get('id')}'><fin xmlns='urn:xmpp:mam:2' complete='{complete}'>"
            f"<set xmlns='http://jabber.org/protocol/rsm'><last>{last}</last></set></fin></iq>"
        )

    async def scene(wire: Wire) -> None:
        await wire.logs_in()
        await wire.binds()
        await page(wire, None, "a1", more=True)
        await page(wire, "a1", "a4", more=False)
        await wire.hears("never")

    async def act(bob: XmppSession) -> object:
        one = await bob.sync(None)
        assert isinstance(one, Page)
        return one, await bob.sync(one.cursor)

    one, two = play(session, driver(), scene, act)
    assert [(item.message_id, item.body, item.via) for item in one.items] == [
        ("c2", "2", "archive"),
        ("c1", "1", "archive"),
    ]
    assert (one.cursor, one.more) == ("a1", True)
    assert [item.message_id for item in two.items] == ["c3"]
    assert (two.cursor, two.more) == ("a4", False)


def test_a_server_that_says_nothing_is_given_up(driver: Made, session: Connecting) -> None:
    """After a silence a sign of life is asked for; without one the connection is over."""
    assert play(session, driver(ping="100ms"), bound(), first) == Closed(None, "ping_timeout", clean=False)


def test_who_answers_is_asked_again_in_the_next_silence(driver: Made, session: Connecting) -> None:
    """And is still listened to."""

    async def scene(wire: Wire) -> None:
        await wire.logs_in()
        await wire.binds()
        for _ in range(3):
            asked = await wire.hears("iq")
            wire.says(f"<iq type='result' id='{asked.get('id')}' from='chat.test'/>")
        wire.says(f"<message {ALICE} id='c7'>{HELLO}</message>")
        await wire.hears("never")

    assert play(session, driver(ping="100ms"), scene, first) == LIVE
