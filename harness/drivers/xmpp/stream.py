"""One TCP connection that carries a stream: dialled, opened, logged in (RFC 6120; SASL PLAIN: RFC 4616)."""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

from harness.drivers.api import Account, Refused, Unknown
from harness.drivers.xmpp.xml import STREAMS, BadStream, Element, Parser

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
FORBIDDEN = 403
"""Not 401: a password that is not taken is no token that has run out, and no other is to be had."""
GOODBYE_S = 1.0
_CHUNK = 65536


class Ended(Exception):
    """The stream is over; the text is an error code, ``clean`` whether the server said goodbye."""

    def __init__(self, code: str, *, clean: bool = False) -> None:
        super().__init__(code)
        self.clean = clean


class Stream:
    """Elements in both directions."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, domain: str) -> None:
        self._reader = reader
        self._writer = writer
        self._domain = domain
        self._parser = Parser()
        self._read: deque[Element] = deque()
        self._error = ""

    @classmethod
    async def dial(cls, address: str, domain: str) -> Self:
        """Connect to ``http://HOST:PORT``, where streams are spoken. Raises ``OSError``."""
        parts = urlsplit(address)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        return cls(reader, writer, domain)

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
        if not self._writer.is_closing():
            self._writer.write(text.encode())

    async def read(self) -> Element:
        """Return the next element. Raises ``Ended`` at the end of the stream, ``BadStream`` for what is none."""
        while not self._read:
            if self._parser.broken is not None:
                raise self._parser.broken
            if self._parser.closed:
                raise Ended(self._error or "closed_by_server", clean=not self._error)
            try:
                data = await self._reader.read(_CHUNK)
            except OSError:
                data = b""
            if not data:
                raise Ended(self._error or "connection_lost")
            self._read.extend(self._parser.feed(data))
        element = self._read.popleft()
        if (element.name, element.ns) == ("error", STREAMS):
            self._error = element.children[0].name.replace("-", "_") if element.children else "stream_error"
            return await self.read()
        return element

    async def close(self, *, abrupt: bool = False) -> None:
        """Say goodbye and hear the other side out, or vanish by a reset; harmless when the connection is gone."""
        try:
            if abrupt:
                self._writer.transport.abort()
            else:
                self.write("</stream:stream>")
                await self._until_the_end()
        finally:
            self._writer.close()
        # Not ``wait_closed``: whoever is cancelled in it leaves it cancelled for whoever closes again.
        await asyncio.sleep(0)

    async def _until_the_end(self) -> None:
        """Read on for a moment (RFC 6120, 4.4): a close on top of unread bytes is a reset and swallows the goodbye."""
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(GOODBYE_S):
                while await self._reader.read(_CHUNK):
                    pass


def failed(problem: Exception) -> Refused | Unknown:
    """What a dial or a log-in came to that raised."""
    if isinstance(problem, ConnectionRefusedError):
        return Refused("connection_refused")
    return Unknown(str(problem) if isinstance(problem, Ended | BadStream) else "connection_lost")
