"""What the XMPP driver does for people at a server: accounts, log-ins, the ways back, and the reading of the truth."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from harness.core.clock import SystemClock
from harness.core.errors import EnvironmentFault, UsageError
from harness.drivers.api import (
    Accepted,
    Account,
    Device,
    Endpoint,
    IncompleteRead,
    Outgoing,
    Page,
    Person,
    Refused,
    Unknown,
)
from harness.drivers.xmpp.driver import XmppDriver, make
from harness.drivers.xmpp.session import XmppSession
from harness.drivers.xmpp.xml import Element
from harness.testing.xmpp_server import MECHANISMS, SASL, Scene, Wire, xmpp_server

Made = Callable[..., XmppDriver]
Connecting = Callable[..., AbstractAsyncContextManager[XmppSession]]

PHONE = Device("bob/phone", "bob", "ios", "1.0.0")
BOB = Account("bob", "bob", "secret-word")
SM = "xmlns='urn:xmpp:sm:3'"
PATIENCE_S = 20


def said(number: int) -> Outgoing:
    """A message of bob's."""
    return Outgoing(f"c{number}", "alice+bob", "alice", "hello", 0)


async def registering(wire: Wire, answer: str) -> None:
    """Answer a registration."""
    await wire.opens(MECHANISMS)
    asked = await wire.hears("iq")
    query = asked.child("query", "jabber:iq:register")
    assert query is not None
    assert query.words("username", "jabber:iq:register") == "bob"
    wire.says(answer)
    await wire.hears("never")


def test_accounts_are_made_in_band(driver: Made) -> None:
    """Under the person's own name, with a password that nobody else knows."""

    async def play() -> None:
        async with xmpp_server(lambda wire: registering(wire, "<iq type='result' id='register'/>")) as at:
            [account] = (await driver().provision([Person("bob", "Bob", ())], at)).values()
        assert (account.user, len(account.password) > 10) == ("bob", True)

    asyncio.run(play())


def test_a_server_that_has_just_started_is_asked_again(driver: Made) -> None:
    """As ejabberd, which listens a moment before its storage does, and refuses accounts meanwhile."""
    error = "<error type='auth'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"

    async def play() -> None:
        async with xmpp_server(
            lambda wire: registering(wire, f"<iq type='error' id='register'>{error}</iq>"),
            lambda wire: registering(wire, "<iq type='result' id='register'/>"),
        ) as at:
            assert list(await driver().provision([Person("bob", "Bob", ())], at)) == ["bob"]

    asyncio.run(play())


@pytest.mark.parametrize(
    ("condition", "hint"),
    [("conflict", "fresh data"), ("not-allowed", "allow registration"), ("gone", "log says more")],
)
def test_an_account_that_is_not_made_is_told(driver: Made, condition: str, hint: str) -> None:
    """Whose, why, and what to do."""
    error = f"<error type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"

    async def play() -> None:
        async with xmpp_server(lambda wire: registering(wire, f"<iq type='error' id='register'>{error}</iq>")) as at:
            await driver().provision([Person("bob", "Bob", ())], at)

    with pytest.raises(EnvironmentFault, match="no account for bob") as told:
        asyncio.run(play())
    assert hint in (told.value.hint or "")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "needs the option 'domain'"),
        ({"domain": "d", "host": "x"}, "takes no option 'host'"),
        ({"domain": "d", "back": "twice"}, "back is 'twice'"),
        ({"domain": "d", "acks": "late"}, "acks is 'late'"),
        ({"domain": "d", "ping": "never"}, "ping is 'never'"),
        ({"domain": "d", "ping": "1ms"}, "ping is '1ms'"),
    ],
)
def test_mistakes_in_options_are_told(options: dict[str, str], text: str) -> None:
    """Before anything is connected."""
    with pytest.raises(UsageError, match=text):
        make(options)


def test_a_wrong_password_is_a_refusal(driver: Made) -> None:
    """Of the log-in, not of a token; what was shown is the account's name and password."""
    shown: list[str] = []

    async def scene(wire: Wire) -> None:
        await wire.opens(MECHANISMS)
        shown.append((await wire.hears("auth")).text)
        wire.says(f"<failure xmlns='{SASL}'><not-authorized/></failure>")
        await wire.hears("never")

    async def play() -> object:
        async with xmpp_server(scene) as at:
            return await driver().connect(BOB, PHONE, at, clock=SystemClock())

    assert asyncio.run(play()) == Refused("not_authorized", 403)
    assert base64.b64decode(shown[0]) == b"\0bob\0secret-word"


def test_nobody_there_is_a_refusal_and_something_else_is_not(driver: Made) -> None:
    """No byte left the device in the first case; in the second nobody knows."""

    async def web(wire: Wire) -> None:
        wire.says("HTTP/1.1 400 Bad Request\r\n\r\n")

    async def play() -> tuple[object, object]:
        clock = SystemClock()
        async with xmpp_server(web) as at:
            strange = await driver().connect(BOB, PHONE, at, clock=clock)
        return strange, await driver().connect(BOB, PHONE, at, clock=clock)

    assert asyncio.run(play()) == (Unknown("not_well_formed"), Refused("connection_refused"))


def cut_off(resources: list[str], handled: str) -> Scene:
    """A first connection that takes messages and goes away when it has got two, having acknowledged ``handled``."""

    async def scene(wire: Wire) -> None:
        await wire.logs_in()
        resources.append(await wire.binds("r1"))
        await wire.hears("message")
        await wire.hears("message")
        wire.says(f"<a {SM} h='{handled}'/>")

    return scene


@pytest.mark.parametrize(
    ("back", "resources"),
    [("same_resource", ["phone", "phone"]), ("new_resource", ["phone", "phone-2"])],
)
def test_a_device_comes_back_as_it_was_told(driver: Made, back: str, resources: list[str]) -> None:
    """With the same name or a new one."""
    bound: list[str] = []

    async def scene(wire: Wire) -> None:
        await wire.logs_in()
        bound.append(await wire.binds())

    async def play() -> None:
        made = driver(back=back)
        async with asyncio.timeout(PATIENCE_S), xmpp_server(scene, scene) as at:
            for _ in range(2):
                session = await made.connect(BOB, PHONE, at, clock=SystemClock())
                assert isinstance(session, XmppSession)
                async for _ in session.incoming():
                    pass

    asyncio.run(play())
    assert bound == resources


def test_a_stream_that_broke_off_before_the_device_was_announced_announces_it(driver: Made) -> None:
    """It can be resumed all the same, and without that would bring no messages."""
    announced: list[str] = []

    async def breaks_off(wire: Wire) -> None:
        await wire.logs_in()
        await wire.addresses()
        await wire.hears("presence")

    async def resumes(wire: Wire) -> None:
        await wire.logs_in()
        await wire.hears("resume")
        wire.says(f"<resumed {SM} h='0' previd='r1'/>")
        await wire.hears("r")
        wire.says(f"<a {SM} h='1'/>")
        announced.append((await wire.hears("presence")).get("id"))
        await wire.hears("r")
        wire.says(f"<a {SM} h='2'/>")
        await wire.hears("never")

    async def play() -> None:
        made = driver()
        async with asyncio.timeout(PATIENCE_S), xmpp_server(breaks_off, resumes) as at:
            assert isinstance(await made.connect(BOB, PHONE, at, clock=SystemClock()), Unknown)
            session = await made.connect(BOB, PHONE, at, clock=SystemClock())
            assert isinstance(session, XmppSession)
            await session.close()

    asyncio.run(play())
    assert announced == ["here"]


@pytest.mark.parametrize(
    ("answer", "again"),
    [(f"<resumed {SM} h='4' previd='r1'/>", False), (f"<failed {SM} h='4'/>", True), (f"<failed {SM}/>", True)],
)
def test_what_had_arrived_is_not_sent_again(driver: Made, answer: str, again: bool) -> None:
    """Of two messages without an acknowledgement the server had handled both, it says when the device returns."""
    resources: list[str] = []
    wrote: list[str] = []

    async def second(wire: Wire) -> None:
        await wire.logs_in()
        asked = await wire.hears("resume")
        assert (asked.get("previd"), asked.get("h")) == ("r1", "0")
        wire.says(answer)
        if again:
            resources.append(await wire.binds("r2"))
        message = await wire.hears("message")
        wrote.append(message.get("id"))
        wire.says(f"<a {SM} h='{3 if again else 5}'/>")
        await wire.hears("never")

    async def play() -> list[object]:
        made = driver()
        async with asyncio.timeout(PATIENCE_S), xmpp_server(cut_off(resources, "2"), second) as at:
            session = await made.connect(BOB, PHONE, at, clock=SystemClock())
            assert isinstance(session, XmppSession)
            lost = await asyncio.gather(*(session.send(said(number), attempt=1) for number in (1, 2)))
            assert lost == [Unknown("connection_lost")] * 2
            session = await made.connect(BOB, PHONE, at, clock=SystemClock())
            assert isinstance(session, XmppSession)
            known = "h='4'" in answer
            outcomes: list[object] = [await session.send(said(number), attempt=2) for number in (1, 2) if known]
            outcomes.append(await session.send(said(3), attempt=1))
            await session.close()
            return outcomes

    outcomes = asyncio.run(play())
    accepted = [Accepted(f"c{number}", "alice+bob") for number in (1, 2, 3)]
    assert outcomes == (accepted if "h='4'" in answer else accepted[2:])
    assert wrote == ["c3"]


def test_an_answer_that_comes_after_a_resumption_answers_nothing_else(driver: Made) -> None:
    """The stream brings what the session before had asked for; the next one's requests have names of their own."""
    asked: list[Element] = []

    def page(request: Element, last: str) -> str:
        rsm = f"<set xmlns='http://jabber.org/protocol/rsm'><last>{last}</last></set>"
        fin = f"<fin xmlns='urn:xmpp:mam:2' complete='true'>{rsm}</fin>"
        return f"<iq type='result' id='{request.get('id')}'>{fin}</iq>"

    async def first(wire: Wire) -> None:
        await wire.logs_in()
        await wire.binds("r1")
        asked.append(await wire.hears("iq"))

    async def second(wire: Wire) -> None:
        await wire.logs_in()
        await wire.hears("resume")
        wire.says(f"<resumed {SM} h='3' previd='r1'/>{page(asked[0], 'old')}")
        asked.append(await wire.hears("iq"))
        wire.says(page(asked[1], "new"))
        await wire.hears("never")

    async def play() -> object:
        made = driver()
        async with asyncio.timeout(PATIENCE_S), xmpp_server(first, second) as at:
            session = await made.connect(BOB, PHONE, at, clock=SystemClock())
            assert isinstance(session, XmppSession)
            assert await session.sync(None) == Unknown("connection_lost")
            session = await made.connect(BOB, PHONE, at, clock=SystemClock())
            assert isinstance(session, XmppSession)
            outcome = await session.sync(None)
            await session.close()
            return outcome

    assert asyncio.run(play()) == Page((), "new", more=False)
    queries = [each.children[0].get("queryid") for each in asked]
    assert len({each.get("id") for each in asked}) == len(set(queries)) == 2


def test_a_truth_that_cannot_be_read_to_its_end_is_no_truth(driver: Made) -> None:
    """An archive whose server goes away in the middle is incomplete, not short."""

    async def scene(wire: Wire) -> None:
        await wire.logs_in()
        await wire.hears("iq")
        wire.says("<iq type='result' id='bind'/>")
        await wire.hears("enable")
        wire.says(f"<enabled {SM} id='r1'/>")
        await wire.hears("iq")

    async def play() -> None:
        async with asyncio.timeout(PATIENCE_S), xmpp_server(scene) as at:
            async for _ in driver().read_all(BOB, at):
                pass

    with pytest.raises(IncompleteRead, match="archive of bob"):
        asyncio.run(play())


def test_a_truth_without_a_server_is_told(driver: Made) -> None:
    """As a reading that broke off."""

    async def play() -> None:
        nobody = "http://127.0.0.1:1"
        async for _ in driver().read_all(BOB, Endpoint(nobody, nobody)):
            pass

    with pytest.raises(IncompleteRead):
        asyncio.run(play())
