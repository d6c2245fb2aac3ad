"""A WebSocket of the drivers against a service that is scripted byte by byte."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from harness.drivers.api import Closed, Refused, Unknown
from harness.drivers.wire import Denied, Wire, open_wire

PATIENCE_S = 10
TEXT, MORE, CLOSE, PING, PONG = 1, 0, 8, 9, 10

Service = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[str]:
    """The address of a service that reads a request for an upgrade and then does as the test says."""
    served: list[asyncio.Event] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(done := asyncio.Event())
        with suppress(ConnectionError):
            await service(reader, writer)
            await writer.drain()
        writer.close()
        done.set()

    async with asyncio.timeout(PATIENCE_S), await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for done in served:
            await done.wait()


async def upgraded(reader: asyncio.StreamReader) -> bytes:
    """The answer that makes a WebSocket of the connection."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line.split(": ")[1] for line in request.splitlines() if line.lower().startswith("sec-websocket-key"))
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324 - RFC 6455
    accept = base64.b64encode(digest).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ).encode()


def frame(kind: int, payload: bytes = b"", *, last: bool = True) -> bytes:
    """A short frame of a service."""
    return bytes([kind | (0x80 if last else 0), len(payload)]) + payload


async def heard(url: str) -> tuple[list[bytes], Closed]:
    """What comes over a connection until its end."""
    wire = await open_wire(url, {}, ping_every_s=None)
    assert isinstance(wire, Wire)
    texts: list[bytes] = []
    ends: list[Closed] = []
    wire.listen(texts.append, ends.append)
    await wire.gone()
    (end,) = ends
    return texts, end


def test_a_denial_is_read_to_its_end() -> None:
    """What it says why may come later than its status, and the client's next step depends on it."""

    async def deny(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in (b"HTTP/1.1 401 No\r\ncontent-length: 9\r\nretry-after: 3\r\n\r\n", b"exp", b"", b"ired!!"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)  # so that it leaves as a segment of its own

    async def scene() -> object:
        async with serving(deny) as url:
            return await open_wire(url, {}, ping_every_s=None)

    denied = asyncio.run(scene())
    assert isinstance(denied, Denied)
    assert (denied.status, denied.body, denied.headers.get("Retry-After")) == (401, b"expired!!", "3")


def test_a_handshake_that_is_given_up_is_cut_off() -> None:
    """Going on by itself it would become a connection that nobody knows of."""
    ended = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b""
        ended.set()

    async def scene() -> None:
        async with serving(wait) as url:
            try:
                async with asyncio.timeout(0.1):
                    await open_wire(url, {}, ping_every_s=None)
            except TimeoutError:
                await ended.wait()

    asyncio.run(scene())
    assert ended.is_set()


def test_a_handshake_without_an_answer_is_a_lost_connection() -> None:
    """The request has left: what became of it is unknown."""

    async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async def scene() -> object:
        async with serving(hang_up) as url:
            return await open_wire(url, {}, ping_every_s=None)

    assert asyncio.run(scene()) == Unknown("connection_lost")


def test_nobody_there_is_a_refusal() -> None:
    """No byte has left."""

    async def scene() -> object:
        async with serving(lambda *_: asyncio.sleep(0)) as url:
            pass
        return await open_wire(url, {}, ping_every_s=None)

    assert asyncio.run(scene()) == Refused("connect_failed")


def test_what_comes_with_the_handshake_is_heard() -> None:
    """A service may push before its client had time to listen, and even end there."""

    async def hurry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        goodbye = frame(CLOSE, struct.pack("!H", 4001) + b"bye")
        writer.write(await upgraded(reader) + frame(TEXT, b"one") + goodbye + frame(TEXT, b"late"))
        await reader.read()

    async def scene() -> object:
        async with serving(hurry) as url:
            return await heard(url)

    assert asyncio.run(scene()) == ([b"one"], Closed(4001, "bye", clean=False))


def test_a_message_in_pieces_is_one_message() -> None:
    """Pings may come between them."""

    async def pieces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await upgraded(reader) + frame(TEXT, b"a", last=False) + frame(PING, b"?"))
        writer.write(frame(MORE, b"b", last=False) + frame(MORE, b"c") + frame(TEXT, b"d") + frame(CLOSE))
        await reader.read()

    async def scene() -> object:
        async with serving(pieces) as url:
            return await heard(url)

    assert asyncio.run(scene()) == ([b"abc", b"d"], Closed(1005, "", clean=True))


def test_a_piece_of_no_message_ends_the_connection() -> None:
    """Whoever sends it speaks another protocol."""

    async def stray(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await upgraded(reader) + frame(MORE, b"a"))
        await reader.read()

    async def scene() -> object:
        async with serving(stray) as url:
            return await heard(url)

    assert asyncio.run(scene()) == ([], Closed(None, "close_unanswered", clean=False))


def test_an_end_without_a_word_is_a_lost_connection() -> None:
    """Unlike a goodbye it says nothing of why."""

    async def vanish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await upgraded(reader))

    async def scene() -> object:
        async with serving(vanish) as url:
            return await heard(url)

    assert asyncio.run(scene()) == ([], Closed(None, "connection_lost", clean=False))


def test_pings_are_sent_and_their_silence_noticed() -> None:
    """A pong keeps the connection; none within the limit ends it, although the other side still holds it."""
    pings: list[int] = []

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await upgraded(reader))
        while head := await reader.read(6):  # a ping of no bytes: two of header, four of mask
            if head[0] & 0x0F == PING:
                pings.append(1)
                if len(pings) == 1:
                    writer.write(frame(PONG))
            else:
                await reader.read()

    async def scene() -> object:
        async with serving(answer_once) as url:
            wire = await open_wire(url, {}, ping_every_s=0.05)
            assert isinstance(wire, Wire)
            ends: list[Closed] = []
            wire.listen(lambda _: None, ends.append)
            await wire.gone()
            return ends

    assert asyncio.run(scene()) == [Closed(None, "keepalive_timeout", clean=False)]
    assert len(pings) == 2
