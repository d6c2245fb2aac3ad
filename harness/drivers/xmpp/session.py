"""One device's session on a bound stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from harness.drivers.api import (
    Accepted,
    Bounced,
    Closed,
    Delivered,
    Group,
    Incoming,
    Outgoing,
    Page,
    ReceiptState,
    Refreshed,
    Refused,
    Unknown,
)
from harness.drivers.arrivals import arrivals
from harness.drivers.xmpp.archive import Cursor, Entry, end_of_page, question
from harness.drivers.xmpp.exchange import SM, Exchange, Handled
from harness.drivers.xmpp.rooms import Entrance, Rooms
from harness.drivers.xmpp.silence import Silence
from harness.drivers.xmpp.standing import IN_A_GROUP, Manners, Standing
from harness.drivers.xmpp.stanzas import (
    CARBONS,
    UNDELIVERED,
    Reader,
    conversation,
    is_room,
    mark,
    stanza_id,
    writing,
)
from harness.drivers.xmpp.stream import Ended, Stream
from harness.drivers.xmpp.xml import CLIENT, BadStream, Element

PUSH = "urn:xmpp:push:0"
BLOCKING = "urn:xmpp:blocking"
STANZAS = frozenset({"iq", "message", "presence"})
PATIENCE_S = 1.5
"""How long a sign of life is waited for."""
PAGE = 50


class XmppSession:
    """A device that is bound, or whose stream was resumed; made by the driver. ``nick`` is its name in rooms."""

    def __init__(
        self,
        stream: Stream,
        standing: Standing,
        user: str,
        manners: Manners,
        rooms: Rooms,
        *,
        nick: str,
        connection: str,
    ) -> None:
        self.connection = connection
        self.credential = ""
        self.resumed = standing.resumed
        self._stream = stream
        self._standing = standing
        self._counters = standing.counters
        self._user = user
        self._manners = manners
        self._rooms = rooms
        self._reader = Reader(f"{user}@{manners.domain}", manners.domain, standing.resumed)
        self._exchange = Exchange(stream, standing)
        self._entrance = Entrance(self._exchange, nick)
        self._pushed: asyncio.Queue[Incoming] = asyncio.Queue()
        self._entries: dict[str, tuple[str, list[Entry]]] = {}
        self._push_token: str | None = None
        self._silence = Silence(
            manners.ping_s, PATIENCE_S, self._exchange.ping, lambda: self._over(Ended("ping_timeout"))
        )
        stream.listen(self._hear, self._over)

    async def announce(self) -> Handled:
        """Ask for copies of what the other devices send and get, be available, and enter the rooms of one's person."""
        carbons = Element("iq", attrs={"type": "set", "id": "carbons"}, children=[Element("enable", CARBONS)])
        here = Element("presence", attrs={"id": "here"})
        failed = await self._exchange.handled(carbons) or await self._exchange.handled(here)
        for room in self._rooms.of(self._user):
            failed = failed or await self.enter(room)
        return failed

    async def send(self, message: Outgoing, *, attempt: int) -> Accepted | Refused | Unknown:
        """Write the stanza once; it is accepted when the server's count covers it, refused if it came back by then.

        What could not be delivered was accepted, and bounced. What an earlier attempt wrote and a resumption has
        confirmed since is not written again.
        """
        name = self._standing.confirmed.get(message.client_message_id)
        if name is None:
            name = stanza_id(message, attempt)
            self._standing.attempts[name] = message.client_message_id
            to = message.conversation_id if message.recipient is None else self._address(message.recipient)
            failed = await self._exchange.handled(writing(message, name, to))
            if isinstance(failed, Refused) and message.recipient and failed.error_code in UNDELIVERED:
                self._pushed.put_nowait(Bounced(name, message.client_message_id, failed.error_code))
            elif failed is not None:
                return failed
        if message.recipient is None:
            return Accepted(name, message.conversation_id)
        return Accepted(name, conversation(self._user, message.recipient))

    def incoming(self) -> AsyncIterator[Incoming]:
        """Yield what the server pushes; for one reader."""
        return arrivals(self._pushed)

    async def sync(self, cursor: str | None) -> Page | Refused | Unknown:
        """Read a page of each archive, the own one and those of rooms, after its last entry, in the archive's order."""
        at = Cursor.of(cursor or "")
        items: list[Delivered] = []
        more = False
        for archive in (None, *self._rooms.of(self._user)):
            read = await self.entries(at.after(archive), archive)
            if isinstance(read, Refused | Unknown):
                return read
            entries, last, unread = read
            items.extend(item for item in (entry.delivered() for entry in entries) if item is not None)
            at = at.moved(archive, last)
            more = more or unread
        for item in items:
            self._remember(item)
        return Page(tuple(items), str(at), more=more)

    async def entries(
        self, after: str, archive: str | None = None
    ) -> tuple[list[Entry], str, bool] | Refused | Unknown:
        """Ask for a page of an archive (None: the own one): entries, the archive's id of the last, if there is more."""
        query = self._exchange.name("q")
        self._entries[query] = archive or self._reader.jid, []
        try:
            answer = await self._exchange.ask("set", question(after, PAGE, query), archive)
        finally:
            _, entries = self._entries.pop(query)
        if isinstance(answer, Refused | Unknown):
            return answer
        end = end_of_page(answer)
        return Unknown("bad_answer") if end is None else (entries, end.last, end.more)

    async def mark(self, message_id: str, state: ReceiptState) -> Handled:
        """Send a receipt or a marker to whoever wrote the message; in a group nobody is told."""
        author = self._standing.authors.get(message_id)
        if author is None:
            return Refused("unknown_message", http_status=404)
        if author == IN_A_GROUP:
            return None
        return await self._exchange.handled(mark(self._address(author), message_id, state, self._exchange.name("m")))

    async def refresh(self) -> Refreshed | Refused | Unknown:
        """There are no tokens in this protocol's log-in."""
        return Refused("no_refresh_token", http_status=404)

    async def register_push(self, token: str | None) -> Handled:
        """Enable, or with None disable, pushes by the push service; the token is the node (XEP-0357)."""
        service = self._manners.push_service
        if service is None:
            return Refused("no_push_service", http_status=404)
        node, self._push_token = token or self._push_token, token
        if node is None:
            return None
        wanted = "enable" if token else "disable"
        return await self._done(Element(wanted, PUSH, {"jid": service, "node": node}))

    async def create_group(self, members: Sequence[str]) -> Group | Refused | Unknown:
        """Make a room and have all devices of these people enter it."""
        return await self._rooms.make(self._user, members)

    async def join(self, conversation_id: str) -> Handled:
        """Enter a room with all devices, now and on each new stream."""
        return await self._rooms.join(self._user, conversation_id)

    async def leave(self, conversation_id: str) -> Handled:
        """Leave a room with all devices."""
        return await self._rooms.leave(self._user, conversation_id)

    async def block(self, user: str) -> Handled:
        """Have the server turn back what somebody sends to this account (XEP-0191)."""
        return await self._done(self._listed("block", user))

    async def unblock(self, user: str) -> Handled:
        """Take a block back."""
        return await self._done(self._listed("unblock", user))

    async def enter(self, room: str) -> Handled:
        """Be in a room with this stream."""
        return await self._entrance.enter(room)

    async def exit(self, room: str) -> Handled:
        """Be in it no longer."""
        return await self._entrance.exit(room)

    async def close(self, *, abrupt: bool = False) -> None:
        """Say goodbye, after which nothing can be resumed, or vanish."""
        self._stream.deaf()
        self._silence.end()
        if not abrupt:
            self._counters.id = ""
            self._acknowledge()
        self._finish(Closed(None, "closed", clean=not abrupt))
        await self._stream.close(abrupt=abrupt)

    def _address(self, user: str) -> str:
        return f"{user}@{self._manners.domain}"

    def _listed(self, change: str, user: str) -> Element:
        return Element(change, BLOCKING, children=[Element("item", BLOCKING, {"jid": self._address(user)})])

    async def _done(self, what: Element) -> Handled:
        answer = await self._exchange.ask("set", what)
        return answer if isinstance(answer, Refused | Unknown) else None

    def _hear(self, element: Element) -> None:
        self._silence.heard()
        try:
            self._take(element)
        except BadStream as bad:
            self._over(bad)

    def _over(self, why: Ended | BadStream) -> None:
        self._stream.deaf()
        self._silence.end()
        self._finish(Closed(None, str(why), clean=isinstance(why, Ended) and why.clean))
        self._stream.vanish()

    def _take(self, element: Element) -> None:
        if element.ns == CLIENT and element.name in STANZAS:
            self._counters.handled()
        match element.ns, element.name:
            case (_, "a") if element.ns == SM:
                self._exchange.covered(element.get("h"))
            case (_, "r") if element.ns == SM:
                self._acknowledge()
            case _, "message":
                self._take_message(element)
            case _, "iq":
                self._exchange.take_iq(element)
            case _, "presence":
                self._entrance.take(element)

    def _acknowledge(self) -> None:
        if self._manners.acknowledges:
            self._exchange.acknowledge()

    def _take_message(self, stanza: Element) -> None:
        entry = Entry.of(stanza)
        if stanza.get("type") == "error":
            item: Incoming | None = self._exchange.bounced(stanza)
        elif entry is not None:
            return self._take_entry(entry, stanza.get("from"))
        else:
            item = self._reader.delivered(stanza) or self._reader.receipt(stanza)
        if isinstance(item, Delivered):
            self._remember(item)
        if item is not None:
            self._pushed.put_nowait(item)
        return None

    def _take_entry(self, entry: Entry, sender: str) -> None:
        """Keep an entry that was asked for, if it comes from the archive that was asked."""
        archive, entries = self._entries.get(entry.query, ("", []))
        if archive and (sender or self._reader.jid) == archive:
            entries.append(entry)

    def _remember(self, item: Delivered) -> None:
        self._standing.authors[item.message_id] = IN_A_GROUP if is_room(item.conversation_id) else item.sender

    def _finish(self, closed: Closed) -> None:
        if self._exchange.end():
            self._entrance.end()
            self._pushed.put_nowait(closed)
