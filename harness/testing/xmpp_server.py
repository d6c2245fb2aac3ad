"""An XMPP server that says what a test tells it to say, over real sockets; nothing it does is by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from harness.drivers.api import Endpoint
from harness.drivers.xmpp.xml import STREAMS, Element, Parser

SM = "urn:xmpp:sm:3"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
HEADER = f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='{STREAMS}' id='s' version='1.0'>"
MECHANISMS = f"<stream:features><mechanisms xmlns='{SASL}'><mechanism>PLAIN</mechanism></mechanisms></stream:features>"


class Gone(Exception):
    """The client went away."""


@dataclass(slots=True)
class Wire:
    """One connection of a client, as the server sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    parser: Parser = field(default_factory=Parser)
    read: list[Element] = field(default_factory=list)

    async def hears(self, name: str) -> Element:
        """The next element of that name; others are passed over. Raises ``Gone`` at the end."""
        while (element := await self.hears_any()).name != name:
            pass
        return element

    async def hears_any(self) -> Element:
        """The next element. Raises ``Gone`` at the end."""
        while not self.read:
            data = await self.reader.read(65536)
            if not data or self.parser.closed:
                raise Gone
            self.read += self.parser.feed(data)
        return self.read.pop(0)

    def says(self, text: str) -> None:
        """Write."""
        self.writer.write(text.encode())

    async def opens(self, features: str) -> None:
        """Wait for a stream's beginning, greet and say what there is."""
        self.parser = Parser()
        while self.parser.header is None:
            if not (data := await self.reader.read(65536)):
                raise Gone
            self.read += self.parser.feed(data)
        self.says(HEADER + features)

    async def logs_in(self) -> str:
        """Let anybody in; return what was shown."""
        await self.opens(MECHANISMS)
        shown = await self.hears("auth")
        self.says(f"<success xmlns='{SASL}'/>")
        await self.opens(f"<stream:features><bind xmlns='{BIND}'/><sm xmlns='{SM}'/></stream:features>")
        return shown.text

    async def binds(self, id: str = "r1") -> str:
        """Give the address that is asked for and acknowledge two stanzas, with which the device is there."""
        resource = await self.addresses(id)
        await self.hears("r")
        self.says(f"<a xmlns='{SM}' h='1'/>")
        await self.hears("presence")
        await self.hears("r")
        self.says(f"<a xmlns='{SM}' h='2'/>")
        return resource

    async def addresses(self, id: str = "r1") -> str:
        """Give the address that is asked for and count from now; nobody else knows of the device yet."""
        asked = await self.hears("iq")
        self.says(f"<iq type='result' id='{asked.get('id')}'><bind xmlns='{BIND}'/></iq>")
        await self.hears("enable")
        self.says(f"<enabled xmlns='{SM}' id='{id}' resume='true'/>")
        bind = asked.child("bind", BIND)
        return "" if bind is None else bind.words("resource", BIND) or ""


Scene = Callable[[Wire], Awaitable[None]]


@asynccontextmanager
async def xmpp_server(*scenes: Scene) -> AsyncIterator[Endpoint]:
    """Play one scene on each connection, in turn; a scene's end ends its connection. What a scene raises is raised."""
    played: list[asyncio.Task[None]] = []
    waiting = list(scenes)

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await waiting.pop(0)(Wire(reader, writer))
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        played.append(asyncio.create_task(play(reader, writer)))

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield Endpoint(url, url)
        async with asyncio.timeout(10):
            for outcome in await asyncio.gather(*played, return_exceptions=True):
                if isinstance(outcome, BaseException) and not isinstance(outcome, Gone | ConnectionError):
                    raise outcome
    finally:
        server.close()
        for each in played:
            each.cancel()
        await asyncio.gather(*played, return_exceptions=True)
