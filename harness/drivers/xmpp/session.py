"""One device's session on a bound stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from harness.drivers.api import (
    Accepted,
    Bounced,
    Closed,
    Delivered,
    Incoming,
    Outgoing,
    Page,
    ReceiptState,
    Refreshed,
    Refused,
    Unknown,
)
from harness.drivers.arrivals import arrivals
from harness.drivers.xmpp.archive import Entry, end_of_page, question
from harness.drivers.xmpp.counters import Counters
from harness.drivers.xmpp.stanzas import (
    CARBONS,
    Reader,
    conversation,
    mark,
    refusal,
    stanza_id,
    writing,
)
from harness.drivers.xmpp.stream import Ended, Stream
from harness.drivers.xmpp.xml import CLIENT, BadStream, Element

SM = "urn:xmpp:sm:3"
PING = "urn:xmpp:ping"
PUSH = "urn:xmpp:push:0"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
STANZAS = frozenset({"iq", "message", "presence"})
PATIENCE_S = 1.5
"""How long a sign of life is waited for: a black hole is noticed by nothing else."""
PAGE = 50
LOST = Unknown("connection_lost")


@dataclass(frozen=True, slots=True)
class Manners:
    """How the devices of a driver go about it: signs of life, whether they acknowledge, who sends pushes."""

    domain: str
    ping_s: float = 2.0
    acknowledges: bool = True
    push_service: str | None = None


@dataclass(slots=True)
class Standing:
    """What outlives a connection: the counters of a stream that may be resumed, and what was confirmed meanwhile.

    ``attempts`` are the messages, by the name of each attempt; ``confirmed`` has those attempts, by message, whose
    acknowledgement came when nobody waited for it any more. ``authors`` says whom word of a message goes to, which may
    be owed by a later session than the one that read it.
    """

    counters: Counters = field(default_factory=Counters)
    attempts: dict[str, str] = field(default_factory=dict)
    confirmed: dict[str, str] = field(default_factory=dict)
    authors: dict[str, str] = field(default_factory=dict)
    bindings: int = 0
    resumed: bool = False

    def confirm(self, name: str) -> None:
        """Take note that the server has handled an attempt of which nobody was told yet."""
        if name in self.attempts:
            self.confirmed.setdefault(self.attempts[name], name)


class XmppSession:
    """A device that is bound, or whose stream was resumed; made by the driver."""

    def __init__(self, stream: Stream, standing: Standing, user: str, manners: Manners, *, connection: str) -> None:
        self.connection = connection
        self.credential = ""
        self.resumed = standing.resumed
        self._stream = stream
        self._standing = standing
        self._counters = standing.counters
        self._user = user
        self._manners = manners
        self._reader = Reader(f"{user}@{manners.domain}", manners.domain, standing.resumed)
        self._ids = count(1)
        self._pushed: asyncio.Queue[Incoming] = asyncio.Queue()
        self._sends: dict[str, asyncio.Future[Refused | Unknown | None]] = {}
        self._bounces: dict[str, Refused] = {}
        self._asked: dict[str, asyncio.Future[Element | Refused | Unknown]] = {}
        self._entries: dict[str, list[Entry]] = {}
        self._push_token: str | None = None
        self._over = False
        self._listening = asyncio.create_task(self._listen(), name=f"stream of {connection}")

    async def announce(self) -> Refused | Unknown | None:
        """Ask for copies of what the other devices send and get, and be available: from now on messages come."""
        carbons = Element("iq", attrs={"type": "set", "id": "carbons"}, children=[Element("enable", CARBONS)])
        return await self._handled(carbons) or await self._handled(Element("presence", attrs={"id": "here"}))

    async def send(self, message: Outgoing, *, attempt: int) -> Accepted | Refused | Unknown:
        """Write the stanza once; it is accepted when the server's count covers it, refused if it came back by then.

        What an earlier attempt wrote and a resumption has confirmed since is not written again.
        """
        name = self._standing.confirmed.get(message.client_message_id)
        if name is None:
            name = stanza_id(message, attempt)
            if message.recipient is None:
                return Refused("no_groups", http_status=404)
            self._standing.attempts[name] = message.client_message_id
            failed = await self._handled(writing(message, name, self._address(message.recipient)))
            if failed is not None:
                return failed
        return Accepted(name, conversation(self._user, message.recipient or ""))

    def incoming(self) -> AsyncIterator[Incoming]:
        """Yield what the server pushes; for one reader."""
        return arrivals(self._pushed)

    async def sync(self, cursor: str | None) -> Page | Refused | Unknown:
        """Read a page of the archive after an entry, in the archive's order."""
        read = await self.entries(cursor or "")
        if isinstance(read, Refused | Unknown):
            return read
        entries, last, more = read
        items = [item for item in (entry.delivered() for entry in entries) if item is not None]
        for item in items:
            self._remember(item)
        return Page(tuple(items), last or cursor or "", more=more)

    async def entries(self, after: str) -> tuple[list[Entry], str, bool] | Refused | Unknown:
        """Ask for a page of the archive: its entries, the archive's id of the last, and whether there is more."""
        query = f"q{next(self._ids)}"
        self._entries[query] = []
        try:
            answer = await self._ask("set", question(after, PAGE, query))
        finally:
            entries = self._entries.pop(query)
        if isinstance(answer, Refused | Unknown):
            return answer
        end = end_of_page(answer)
        return Unknown("bad_answer") if end is None else (entries, end.last, end.more)

    async def mark(self, message_id: str, state: ReceiptState) -> Refused | Unknown | None:
        """Send a receipt or a marker to whoever wrote the message."""
        author = self._standing.authors.get(message_id)
        if author is None:
            return Refused("unknown_message", http_status=404)
        return await self._handled(mark(self._address(author), message_id, state, f"m{next(self._ids)}"))

    async def refresh(self) -> Refreshed | Refused | Unknown:
        """There are no tokens in this protocol's log-in."""
        return Refused("no_refresh_token", http_status=404)

    async def register_push(self, token: str | None) -> Refused | Unknown | None:
        """Enable, or with None disable, pushes by the push service; the token is the node (XEP-0357)."""
        service = self._manners.push_service
        if service is None:
            return Refused("no_push_service", http_status=404)
        node, self._push_token = token or self._push_token, token
        if node is None:
            return None
        wanted = "enable" if token else "disable"
        answer = await self._ask("set", Element(wanted, PUSH, {"jid": service, "node": node}))
        return answer if isinstance(answer, Refused | Unknown) else None

    async def close(self, *, abrupt: bool = False) -> None:
        """Say goodbye, after which nothing can be resumed, or vanish."""
        self._listening.cancel()
        await asyncio.wait([self._listening])
        if not abrupt:
            self._counters.id = ""
            self._acknowledge()
        self._finish(Closed(None, "closed", clean=not abrupt))
        await self._stream.close(abrupt=abrupt)

    def _address(self, user: str) -> str:
        return f"{user}@{self._manners.domain}"

    async def _handled(self, stanza: Element) -> Refused | Unknown | None:
        """Write a stanza and wait until the server's count covers it; None then, or why it came back."""
        if self._over:
            return LOST
        name = stanza.get("id")
        waiting: asyncio.Future[Refused | Unknown | None] = asyncio.get_running_loop().create_future()
        self._sends[name] = waiting
        self._counters.sent(name)
        self._stream.put(stanza, Element("r", SM))
        try:
            return await waiting
        finally:
            self._sends.pop(name, None)

    async def _ask(self, kind: str, what: Element, to: str | None = None) -> Element | Refused | Unknown:
        if self._over:
            return LOST
        name = f"i{next(self._ids)}"
        waiting: asyncio.Future[Element | Refused | Unknown] = asyncio.get_running_loop().create_future()
        self._asked[name] = waiting
        self._counters.sent(name)
        self._stream.put(Element("iq", attrs={"type": kind, "id": name, **({"to": to} if to else {})}, children=[what]))
        try:
            return await waiting
        finally:
            self._asked.pop(name, None)

    async def _listen(self) -> None:
        try:
            while True:
                self._take(await self._next())
        except TimeoutError:
            self._finish(Closed(None, "ping_timeout", clean=False))
        except Ended as ended:
            self._finish(Closed(None, str(ended), clean=ended.clean))
        except BadStream as bad:
            self._finish(Closed(None, str(bad), clean=False))
        await self._stream.close(abrupt=True)

    async def _next(self) -> Element:
        """The next element; where nothing comes for a while, a ping (XEP-0199) has to bring something."""
        try:
            async with asyncio.timeout(self._manners.ping_s):
                return await self._stream.read()
        except TimeoutError:
            name = f"p{next(self._ids)}"
            self._counters.sent(name)
            self._stream.put(Element("iq", attrs={"type": "get", "id": name}, children=[Element("ping", PING)]))
        async with asyncio.timeout(PATIENCE_S):
            return await self._stream.read()

    def _take(self, element: Element) -> None:
        if element.ns == CLIENT and element.name in STANZAS:
            self._counters.handled()
        match element.ns, element.name:
            case (_, "a") if element.ns == SM:
                self._confirm(self._counters.acknowledge(element.get("h")))
            case (_, "r") if element.ns == SM:
                self._acknowledge()
            case _, "message":
                self._take_message(element)
            case _, "iq":
                self._take_iq(element)

    def _acknowledge(self) -> None:
        if self._manners.acknowledges:
            self._stream.put(Element("a", SM, {"h": str(self._counters.received)}))

    def _confirm(self, names: Sequence[str]) -> None:
        for name in names:
            waiting = self._sends.get(name)
            if waiting is not None and not waiting.done():
                waiting.set_result(self._bounces.pop(name, None))
            elif name not in self._bounces:
                self._standing.confirm(name)

    def _take_message(self, stanza: Element) -> None:
        if stanza.get("type") == "error":
            self._take_bounce(stanza)
            return
        entry = Entry.of(stanza)
        if entry is not None:
            if stanza.get("from") in {"", self._reader.jid} and entry.query in self._entries:
                self._entries[entry.query].append(entry)
            return
        item = self._reader.delivered(stanza) or self._reader.receipt(stanza)
        if isinstance(item, Delivered):
            self._remember(item)
        if item is not None:
            self._pushed.put_nowait(item)

    def _take_bounce(self, stanza: Element) -> None:
        """What comes back before its acknowledgement was refused; what comes back later is news."""
        name = stanza.get("id")
        waiting = self._sends.get(name)
        if waiting is not None and not waiting.done():
            self._bounces[name] = refusal(stanza)
        elif name in self._standing.attempts:
            why = refusal(stanza).error_code
            self._pushed.put_nowait(Bounced(name, self._standing.attempts[name], why))

    def _take_iq(self, stanza: Element) -> None:
        kind, name = stanza.get("type"), stanza.get("id")
        waiting = self._asked.get(name)
        if kind in {"get", "set"}:
            self._answer(stanza)
        elif waiting is not None and not waiting.done():
            waiting.set_result(refusal(stanza) if kind == "error" else stanza)

    def _answer(self, stanza: Element) -> None:
        """Answer a ping; of anything else say that it is not served (RFC 6120, 8.4)."""
        attrs = {"type": "result", "id": stanza.get("id"), "to": stanza.get("from")}
        reply = Element("iq", attrs={key: value for key, value in attrs.items() if value})
        if stanza.child("ping", PING) is None:
            reply.attrs["type"] = "error"
            reply.children = [
                Element("error", attrs={"type": "cancel"}, children=[Element("service-unavailable", ERRORS)])
            ]
        self._counters.sent(reply.get("id"))
        self._stream.put(reply)

    def _remember(self, item: Delivered) -> None:
        self._standing.authors[item.message_id] = item.sender

    def _finish(self, closed: Closed) -> None:
        if self._over:
            return
        self._over = True
        for sent in self._sends.values():
            if not sent.done():
                sent.set_result(LOST)
        for asked in self._asked.values():
            if not asked.done():
                asked.set_result(LOST)
        self._pushed.put_nowait(closed)
