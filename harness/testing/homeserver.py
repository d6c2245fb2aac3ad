"""A Matrix homeserver that says what a test tells it to say, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from harness.drivers.api import Endpoint

R0 = "/_matrix/client/r0"
FILE = "application/octet-stream"
Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]
"""Status, body (an object as JSON, or text as it is), and headers."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that the homeserver got."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    token: str | None


@dataclass(slots=True)
class Homeserver:
    """Answers each path with what lies in wait for it, in turn; what it has no answer for, it never answers."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answers: defaultdict[str, list[Answer | asyncio.Future[Answer]]] = field(default_factory=lambda: defaultdict(list))
    conversations: list[asyncio.Task[None]] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, path: str, *answers: Answer | asyncio.Future[Answer]) -> None:
        """Put answers in wait for a path; one that lies in the future is given then."""
        self.answers[path].extend(answers)

    def to(self, path: str) -> list[Asked]:
        """The requests for a path so far."""
        return [asked for asked in self.asked if asked.path == path]

    @property
    def at(self) -> Endpoint:
        """Where devices find it."""
        return Endpoint(self.url, self.url)

    def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.conversations.append(asyncio.create_task(self._converse(reader, writer)))

    async def end(self) -> None:
        """Close all connections."""
        for each in self.conversations:
            each.cancel()
        await asyncio.gather(*self.conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer(reader, writer):
                    pass
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        parts = urlsplit(target)
        path, token = unquote(parts.path), headers.get("authorization", "").removeprefix("Bearer ") or None
        self.heard.set()
        file = headers.get("content-type") == FILE
        said = body.decode() if file else json.loads(body or b"null")
        self.asked.append(Asked(method, path, dict(parse_qsl(parts.query)), said, token))
        if not self.answers[path]:
            await reader.read()
            return False
        answer = self.answers[path].pop(0)
        status, said, *more = await answer if isinstance(answer, asyncio.Future) else answer
        text = said if isinstance(said, str) else json.dumps(said)
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(text.encode())}"]
        lines += [f"{name}: {value}" for name, value in (more[0] if more else {}).items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n" + text).encode())
        await writer.drain()
        return True


@asynccontextmanager
async def homeserver() -> AsyncIterator[Homeserver]:
    """Start a homeserver that knows nothing yet but how to begin a session: at the token ``s0``."""
    made = Homeserver()
    made.say(f"{R0}/sync", (200, {"next_batch": "s0"}))
    server = await asyncio.start_server(made.converse, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        await made.end()


async def eventually(server: Homeserver, path: str, count: int) -> None:
    """Wait until a path was asked for that often."""
    while len(server.to(path)) < count:
        server.heard.clear()
        await server.heard.wait()
