"""One TCP connection that carries a stream: dialled, opened, logged in (RFC 6120; SASL PLAIN: RFC 4616)."""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Self, cast
from urllib.parse import urlsplit

from harness.drivers.api import Account, Refused, Unknown
from harness.drivers.xmpp.xml import STREAMS, BadStream, Element, Parser

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
FORBIDDEN = 403
"""Not 401: a password that is not taken is no token that has run out, and no other is to be had."""
GOODBYE_S = 1.0


class Ended(Exception):
    """The stream is over; the text is an error code, ``clean`` whether the server said goodbye."""

    def __init__(self, code: str, *, clean: bool = False) -> None:
        super().__init__(code)
        self.clean = clean


Hear = Callable[[Element], None]
Over = Callable[[Ended | BadStream], None]


class Stream(asyncio.Protocol):
    """Elements in both directions: they are read one by one, or told as they come to whoever listens."""

    def __init__(self, domain: str) -> None:
        self._domain = domain
        self._parser = Parser()
        self._read: deque[Element] = deque()
        self._error = ""
        self._over: Ended | BadStream | None = None
        self._listener: tuple[Hear, Over] | None = None
        self._news, self._gone = asyncio.Event(), asyncio.Event()

    @classmethod
    async def dial(cls, address: str, domain: str) -> Self:
        """Connect to ``http://HOST:PORT``, where streams are spoken. Raises ``OSError``."""
        parts = urlsplit(address)
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(lambda: cls(domain), parts.hostname or "", parts.port or 0)
        return stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes; what comes after the end is heard out, and no more than that."""
        if self._over is not None:
            return
        try:
            for element in self._parser.feed(data):
                self._take(element)
        except BadStream as bad:
            self._over = bad
        else:
            self._over = self._parser.broken
        if self._over is None and self._parser.closed:
            self._over = Ended(self._error or "closed_by_server", clean=not self._error)
        self._tell()

    def connection_lost(self, problem: Exception | None) -> None:  # noqa: ARG002 - however it was lost
        """End."""
        self._over = self._over or Ended(self._error or "connection_lost")
        self._gone.set()
        self._tell()

    async def open(self) -> Element:
        """Begin, or begin anew; return what the server offers. Raises ``Ended``, ``BadStream``."""
        self._parser = Parser()
        self.write(
            f"<?xml version='1.0'?><stream:stream to='{self._domain}' version='1.0' xmlns='jabber:client' "
            f"xmlns:stream='{STREAMS}'>"
        )
        offered = await self.read()
        if (offered.name, offered.ns) != ("features", STREAMS):
            raise BadStream("no_features")
        return offered

    async def log_in(self, account: Account) -> Refused | None:
        """Show the password and begin the stream anew; None: done. Raises ``Ended``, ``BadStream``."""
        offered = (await self.open()).child("mechanisms", SASL)
        if offered is None or "PLAIN" not in [each.text for each in offered.children]:
            return Refused("no_plain_login", http_status=FORBIDDEN)
        shown = base64.b64encode(f"\0{account.user}\0{account.password}".encode()).decode()
        self.put(Element("auth", SASL, {"mechanism": "PLAIN"}, text=shown))
        answer = await self.read()
        if answer.name != "success":
            condition = answer.children[0].name if answer.children else answer.name
            return Refused(condition.replace("-", "_"), http_status=FORBIDDEN)
        await self.open()
        return None

    def put(self, *elements: Element) -> None:
        """Write elements together."""
        self.write("".join(element.render() for element in elements))

    def write(self, text: str) -> None:
        """Write text; that nobody is there any more shows in reading."""
        if not self._transport.is_closing():
            self._transport.write(text.encode())

    async def read(self) -> Element:
        """Return the next element. Raises ``Ended`` at the end of the stream, ``BadStream`` for what is none."""
        while not self._read:
            if self._over is not None:
                raise self._over
            self._news.clear()
            await self._news.wait()
        return self._read.popleft()

    def listen(self, hear: Hear, over: Over) -> None:
        """Have each element told from now on, those first that nobody has read, and at last the stream's end."""
        self._listener = hear, over
        self._tell()

    def deaf(self) -> None:
        """Have nothing told any more."""
        self._listener = None

    async def close(self, *, abrupt: bool = False) -> None:
        """Say goodbye and hear the other side out, or vanish by a reset; harmless when the connection is gone."""
        try:
            if abrupt:
                self.vanish()
            else:
                self.write("</stream:stream>")
                await self._until_the_end()
        finally:
            self._transport.close()
        # A turn of the loop, in which a transport that was told to vanish does.
        await asyncio.sleep(0)

    def vanish(self) -> None:
        """Reset the connection."""
        self._transport.abort()

    async def _until_the_end(self) -> None:
        """Read on for a moment (RFC 6120, 4.4): a close on top of unread bytes is a reset and swallows the goodbye."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._gone.wait()

    def _take(self, element: Element) -> None:
        if element.name == "error" and element.ns == STREAMS:
            self._error = element.children[0].name.replace("-", "_") if element.children else "stream_error"
        else:
            self._read.append(element)

    def _tell(self) -> None:
        self._news.set()
        while self._listener is not None and self._read:
            self._listener[0](self._read.popleft())
        if self._listener is not None and self._over is not None:
            _, over = self._listener
            self._listener = None
            over(self._over)


def failed(problem: Exception) -> Refused | Unknown:
    """What a dial or a log-in came to that raised."""
    if isinstance(problem, ConnectionRefusedError):
        return Refused("connection_refused")
    return Unknown(str(problem) if isinstance(problem, Ended | BadStream) else "connection_lost")
