"""Whether a service answers: one small request at a time, without a client library's pools and retries."""

from __future__ import annotations

import asyncio

_PAUSE_S = 0.02
_ATTEMPT_S = 1.0
_OK = 200
_XMPP = "xmpp:"
_POSTGRES = "postgres:"
_PROTOCOL = 196608
"""Version 3.0 of PostgreSQL's protocol."""
_LONGEST_GREETING = 65536


async def wait_until_ok(host: str, port: int, path: str, within_s: float) -> str | None:
    """Ask again and again until a GET of ``path`` answers 200; None then, else a phrase for what was seen last.

    A path ``xmpp:DOMAIN`` asks for an XMPP stream instead, which is there when it offers its features, and
    ``postgres:USER/DATABASE`` for PostgreSQL's word that the user is in.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while True:
        seen = await _ask(host, port, path, min(_ATTEMPT_S, max(end - loop.time(), _PAUSE_S)))
        if seen is None or loop.time() >= end:
            return seen
        await asyncio.sleep(_PAUSE_S)


async def _ask(host: str, port: int, path: str, within_s: float) -> str | None:
    try:
        async with asyncio.timeout(within_s):
            return await _answer(host, port, path)
    except TimeoutError:
        return "no answer"
    except ConnectionRefusedError:
        return "connection refused"
    except OSError:
        return "connection lost"


async def _answer(host: str, port: int, path: str) -> str | None:
    if path.startswith(_XMPP):
        return await _stream(host, port, path.removeprefix(_XMPP))
    if path.startswith(_POSTGRES):
        return await _let_in(host, port, *path.removeprefix(_POSTGRES).split("/"))
    status = await _status(host, port, path)
    if status is None:
        return "an answer that is not HTTP"
    return None if status == _OK else f"status {status}"


async def _status(host: str, port: int, path: str) -> int | None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        line = await reader.readline()
    except ValueError:  # a line without end
        return None
    finally:
        writer.close()
    if not line:
        raise ConnectionResetError
    version, _, rest = line.decode("latin-1").partition(" ")
    return int(rest[:3]) if version.startswith("HTTP/") and rest[:3].isdigit() else None


async def _stream(host: str, port: int, domain: str) -> str | None:
    """Open a stream (RFC 6120, 4.2): a server that works greets and says what it offers."""
    reader, writer = await asyncio.open_connection(host, port, limit=_LONGEST_GREETING)
    try:
        writer.write(
            f"<?xml version='1.0'?><stream:stream to='{domain}' version='1.0' xmlns='jabber:client' "
            "xmlns:stream='http://etherx.jabber.org/streams'>".encode()
        )
        greeting = await reader.readuntil(b"</stream:features>")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return "an answer that is no XMPP stream"
    finally:
        writer.close()
    return None if b"<stream:features" in greeting else "an answer that is no XMPP stream"


async def _let_in(host: str, port: int, user: str, database: str) -> str | None:
    """Begin a session (PostgreSQL, "Message Formats", StartupMessage): ``R`` asks for a proof or needs none.

    While it starts, or recovers, it answers with an error.
    """
    reader, writer = await asyncio.open_connection(host, port)
    names = b"".join(text.encode() + b"\0" for text in ("user", user, "database", database, ""))
    try:
        writer.write((8 + len(names)).to_bytes(4) + _PROTOCOL.to_bytes(4) + names)
        kind = await reader.readexactly(1)
    except asyncio.IncompleteReadError:
        raise ConnectionResetError from None
    finally:
        writer.close()
    return None if kind == b"R" else "an answer that lets nobody in"
