"""Driver for XMPP servers, over plain TCP on a network that nobody else is on."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import count
from typing import cast

from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.drivers.api import (
    Account,
    Credential,
    Device,
    Endpoint,
    IncompleteRead,
    Person,
    Refused,
    Stored,
    Unknown,
)
from harness.drivers.xmpp.accounts import register
from harness.drivers.xmpp.archive import Places
from harness.drivers.xmpp.binding import Back, bind, come_back
from harness.drivers.xmpp.rooms import Rooms
from harness.drivers.xmpp.session import XmppSession
from harness.drivers.xmpp.standing import Manners, Standing
from harness.drivers.xmpp.stanzas import conversation
from harness.drivers.xmpp.stream import Ended, Stream, failed
from harness.drivers.xmpp.xml import BadStream

CAPABILITIES = frozenset({"archive_pages", "carbons", "direct_blocks", "offline_store", "stream_resumption"})
ORACLE = "oracle"
ORACLE_LIMIT_S = 10.0
OPTIONS = ("domain", "back", "acks", "ping", "push_service", "rooms")
BACK = ("resume", "same_resource", "new_resource")
ACKS = ("prompt", "withheld")
SHORTEST_PING_S, LONGEST_PING_S = 0.1, 60.0


def make(options: Mapping[str, str]) -> XmppDriver:
    """Return the driver; raises ``UsageError`` for an option that it does not know, lacks or cannot read.

    ``domain`` is the server's name. ``back`` is how a device returns after a lost connection: ``resume`` (XEP-0198),
    with the ``same_resource`` or with a ``new_resource``. ``acks: withheld`` never acknowledges what the server sends.
    ``ping`` is the silence after which a sign of life is asked for, ``push_service`` the address of the push service,
    ``rooms`` that of the service that keeps rooms.
    """
    unknown = next((name for name in options if name not in OPTIONS), None)
    if unknown is not None:
        raise UsageError(f"driver 'xmpp' takes no option {unknown!r}", hint=f"it takes: {', '.join(OPTIONS)}")
    if not options.get("domain"):
        raise UsageError("driver 'xmpp' needs the option 'domain'", hint="write it below `driver:`")
    manners = Manners(
        options["domain"],
        ping_s=_seconds(options.get("ping", "2s")),
        acknowledges=_one_of("acks", options.get("acks", ACKS[0]), ACKS) == "prompt",
        push_service=options.get("push_service"),
        rooms=options.get("rooms"),
    )
    return XmppDriver(manners, cast("Back", _one_of("back", options.get("back", BACK[0]), BACK)))


class XmppDriver:
    """Speaks XML streams; what is owed to a device over its connections is kept for as long as the driver lives."""

    kind = "xmpp"
    rejected_without_effect: frozenset[int] = frozenset()

    def __init__(self, manners: Manners, back: Back) -> None:
        given = {"push": manners.push_service, "groups": manners.rooms}
        self.capabilities = CAPABILITIES | {capability for capability, service in given.items() if service}
        self._manners = manners
        self._back = back
        self._standings: defaultdict[str, Standing] = defaultdict(Standing)
        self._connections = count(1)
        self._rooms = Rooms(manners.rooms)

    def direct_conversation(self, one: str, other: str) -> str:
        """Both sides make the same id."""
        return conversation(one, other)

    async def provision(self, people: Sequence[Person], at: Endpoint) -> Mapping[str, Account]:
        """Register everybody in band under their own names."""
        return await register(people, at.chat, self._manners.domain)

    async def login(self, account: Account, device: Device, at: Endpoint) -> Credential | Refused | Unknown:  # noqa: ARG002 - each stream is logged in by itself
        """There is nothing to get: the password is shown on each stream."""
        return Credential("")

    async def connect(
        self,
        account: Account,
        device: Device,
        at: Endpoint,
        *,
        clock: Clock,  # noqa: ARG002 - no client time in this protocol
        credential: Credential | None = None,  # noqa: ARG002 - see login
    ) -> XmppSession | Refused | Unknown:
        """Log in and come back in the way that was chosen: resume the last stream, or bind and announce the device."""
        standing = self._standings[device.id]
        try:
            stream = await Stream.dial(at.chat, self._manners.domain)
        except OSError as problem:
            return failed(problem)
        opened = False
        try:
            refused = await stream.log_in(account) or await come_back(
                stream, standing, self._back, device.id.partition("/")[2]
            )
            opened = refused is None
        except (OSError, Ended, BadStream) as problem:
            return failed(problem)
        finally:
            if not opened:
                await stream.close(abrupt=True)
        if refused is not None:
            return refused
        name = f"{device.id}#{next(self._connections)}"
        session = self._session(stream, standing, account, nick=device.id, connection=name)
        self._rooms.arrived(account.user, device.id, session)
        return await _there(session, standing)

    async def read_all(self, account: Account, at: Endpoint) -> AsyncIterator[Stored]:
        """Read the archive from its first entry by a device that nobody is told of, so that nothing is sent to it.

        Then those of the account's rooms, which only those who are in them may read.
        """
        session = await self._reading(account, at)
        try:
            async for stored in self._whole(session, account, None):
                yield stored
            for room in self._rooms.of(account.user):
                async with asyncio.timeout(ORACLE_LIMIT_S):
                    refused = await session.enter(room)
                if refused is not None:
                    raise _broken_off(account, refused.error_code)
                async for stored in self._whole(session, account, room):
                    yield stored
        except TimeoutError:
            raise _broken_off(account, "no answer") from None
        finally:
            await session.close()

    async def _whole(self, session: XmppSession, account: Account, archive: str | None) -> AsyncIterator[Stored]:
        """One archive from its first entry to its last, page by page."""
        places = Places(account.user)
        after, more = "", True
        while more:
            async with asyncio.timeout(ORACLE_LIMIT_S):
                read = await session.entries(after, archive)
            if isinstance(read, Refused | Unknown):
                raise _broken_off(account, read.error_code)
            entries, last, more = read
            if more and last == after:
                raise _broken_off(account, "the archive's pages do not end")
            after = last
            for stored in places.stored(entries):
                yield stored

    async def _reading(self, account: Account, at: Endpoint) -> XmppSession:
        standing = Standing()
        try:
            async with asyncio.timeout(ORACLE_LIMIT_S):
                stream = await Stream.dial(at.chat, self._manners.domain)
                refused = await stream.log_in(account) or await bind(stream, standing, ORACLE)
        except (OSError, Ended, BadStream) as problem:
            raise _broken_off(account, str(problem) or "no answer") from None
        if refused is not None:
            raise _broken_off(account, refused.error_code)
        name = f"{account.user}/{ORACLE}"
        return self._session(stream, standing, account, nick=name, connection=name)

    def _session(
        self, stream: Stream, standing: Standing, account: Account, *, nick: str, connection: str
    ) -> XmppSession:
        return XmppSession(stream, standing, account.user, self._manners, self._rooms, nick=nick, connection=connection)


async def _there(session: XmppSession, standing: Standing) -> XmppSession | Refused | Unknown:
    """Return the session once the server knows that the device is there, which it still does after a resumption."""
    if standing.announced:
        return session
    unheard: Refused | Unknown | None = Unknown("not_announced")
    try:
        unheard = await session.announce()
    finally:
        standing.announced = unheard is None
        if unheard is not None:
            await session.close(abrupt=True)
    return unheard or session


def _broken_off(account: Account, why: str) -> IncompleteRead:
    return IncompleteRead(f"the archive of {account.person} could not be read to its end: {why}")


def _one_of(option: str, text: str, known: Sequence[str]) -> str:
    if text not in known:
        raise UsageError(f"driver 'xmpp': {option} is {text!r}", hint=f"it is one of: {', '.join(known)}")
    return text


def _seconds(text: str) -> float:
    number = text.removesuffix("ms") if text.endswith("ms") else text.removesuffix("s")
    try:
        seconds = float(number) / (1000 if text.endswith("ms") else 1)
    except ValueError:
        seconds = 0.0
    if not SHORTEST_PING_S <= seconds <= LONGEST_PING_S:
        raise UsageError(f"driver 'xmpp': ping is {text!r}", hint="it is a time from 100ms to 60s")
    return seconds
