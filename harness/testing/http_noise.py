"""Requests that no client should send, from a seed: for ports that must survive whatever reaches them."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "get", "", "G" * 300)
ODD_VERSIONS = ("HTTP/1.0", "HTTP/9.9", "HTTP", "")
WORDS = ("", "a", "%2e%2e", "..", "\x00", "é", "x" * 3000, "?", "#", "%", "1", "-1", "null", "listen", "name")
VALUES: tuple[object, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    float("nan"),
    2**70,
    "",
    "x" * 5000,
    [],
    {},
    [[[[]]]],
    {"a": {"b": []}},
    "\ud800",
)
BUSY_S = 20.0
"""A port that takes longer than this to answer or to hang up counts as hung."""
BURSTS = (1, 1, 2, 4)
"""How many requests are written before the first of them is answered."""
_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


@dataclass(frozen=True, slots=True)
class Target:
    """A port, paths that exist there, keys that its bodies have, headers that let a request in, and apt values."""

    port: int
    paths: Sequence[str]
    keys: Sequence[str]
    headers: Sequence[str] = ()
    words: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Noise:
    """The bytes of one request, or of what only begins like one; after a ``sound`` one others may follow."""

    data: bytes
    method: str
    sound: bool


def nested(rng: random.Random) -> str:
    """Return JSON that is up to 3000 lists deep, which breaks readers that recurse."""
    depth = rng.randrange(3000)
    return "[" * depth + "]" * depth


def request(target: Target, rng: random.Random) -> Noise:
    """Return one request; one in five is framed so that nothing can follow on its connection."""
    body, method, odd_frame = _body(target, rng), rng.choice(METHODS), not rng.randrange(5)
    version, length = "HTTP/1.1", str(len(body))
    if odd_frame:
        version = rng.choice(("HTTP/1.1", *ODD_VERSIONS))
        length = rng.choice((length, "-1", "x", str(len(body) + 9), str(2**63)))
    head = " ".join((method, _path(target, rng), version))
    lines = [head, "Host: 127.0.0.1", f"Content-Length: {length}", *_headers(target, rng, odd=odd_frame)]
    data = "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n" + body
    if odd_frame and rng.randrange(2):
        data = data[: rng.randrange(len(data))]
    return Noise(data, method, sound=not odd_frame)


async def pour(target: Target, *, seed: int, requests: int, at_once: int = 8) -> int:
    """Let a port hear so many requests over several connections at once; return how many it answered.

    Raises ``TimeoutError`` when the port neither answers nor hangs up.
    """
    shares = [requests // at_once + (index < requests % at_once) for index in range(at_once)]
    chances = [random.Random(f"{seed}/{index}") for index in range(at_once)]  # noqa: S311 - repeatable noise
    talks = (_talk(target, rng, share) for rng, share in zip(chances, shares, strict=True))
    return sum(await asyncio.gather(*talks))


async def _talk(target: Target, rng: random.Random, requests: int) -> int:
    """Go on until so many were heard, on a new connection whenever the port has closed the last; count answers."""
    heard = answered = 0
    while heard < requests:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        with closing(writer):
            line = _Line(reader, writer)
            while line.open and heard + line.heard < requests:
                burst = [request(target, rng) for _ in range(rng.choice(BURSTS))]
                await line.say(burst[: requests - heard - line.heard])
        heard, answered = heard + line.heard, answered + line.answered
    return answered


class _Line:
    """One connection, and how much was heard and answered on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.open = True
        self.heard = 0
        self.answered = 0

    async def say(self, burst: Sequence[Noise]) -> None:
        """Write some requests at once, up to the first after which nothing can follow, and read what comes back."""
        sound = [noise.sound for noise in burst]
        said = burst if all(sound) else burst[: sound.index(False) + 1]
        try:
            self._writer.write(b"".join(noise.data for noise in said))
            for noise in said:
                async with asyncio.timeout(BUSY_S):
                    await (self._ask(noise) if noise.sound else self._end())
                if not self.open:
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            self.heard += 1
            self.open = False

    async def _ask(self, noise: Noise) -> None:
        self.open = await self._answer(noise.method)
        self.heard += 1
        self.answered += 1

    async def _end(self) -> None:
        self._writer.write_eof()
        self.answered += bool(await self._reader.read())
        self.heard += 1
        self.open = False

    async def _answer(self, method: str) -> bool:
        """Read one answer; whether another may follow."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        if status == HTTPStatus.CONTINUE:
            return await self._answer(method)
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        last = fields.get("connection") == "close"
        if last:
            await self._reader.read()
        elif method != "HEAD" and status not in _BODILESS:
            await self._reader.readexactly(int(fields["content-length"]))
        return not last


def _path(target: Target, rng: random.Random) -> str:
    path = rng.choice(target.paths)
    return path + rng.choice(("", "", rng.choice(("/", "?", "&", "//")) + rng.choice(WORDS)))


def _headers(target: Target, rng: random.Random, *, odd: bool) -> list[str]:
    strange = ["Expect: 100-continue", "Upgrade: websocket", "X: " + "y" * 9000]
    broken = ["Transfer-Encoding: chunked", ":", "Cookie"] if odd else []
    chosen = [header for header in target.headers if rng.randrange(5)]
    return chosen + rng.sample([*strange, *broken], rng.choice((0, 0, 1, 2)))


def _body(target: Target, rng: random.Random) -> bytes:
    keys = rng.sample(target.keys, rng.randrange(len(target.keys) + 1))
    plain = (*WORDS, *target.words)
    text = json.dumps({key: rng.choice((*VALUES, rng.choice(plain), rng.choice(plain))) for key in keys})
    deep = f'{{"deep": {nested(rng)}, {text[1:]}'
    odd = rng.choice((text[: rng.randrange(len(text))], nested(rng), deep, "[" * rng.randrange(3000)))
    noise = rng.randbytes(rng.randrange(400))
    return rng.choice((text.encode(), text.encode(), text.encode(), odd.encode(), noise))
