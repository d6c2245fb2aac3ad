"""WebSocket frames that no client should send, from a seed: for live connections that must survive them."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from harness.testing.http_noise import BUSY_S, VALUES, WORDS, nested

BURST = 16
"""Frames that are written before the next question that has to be answered."""
TOO_LONG = 200_000
_MAX_FRAME_BYTES = 8 * 1024 * 1024
_FRAGMENT = 200


@dataclass(frozen=True, slots=True)
class Stream:
    """A WebSocket, headers that let a client in, frames that make sense there, and a question that gets an answer.

    The question is sent with a ``ref`` of its own, which the answer to it carries.
    """

    url: str
    headers: Mapping[str, str]
    samples: Sequence[Mapping[str, object]]
    question: Mapping[str, object]


def frame(stream: Stream, rng: random.Random) -> str:
    """Return the text of a frame that a connection survives: a sample, with values exchanged, cut, scrambled."""
    text = json.dumps(_mutated(rng.choice(stream.samples), rng), ensure_ascii=bool(rng.randrange(2)))
    place = rng.randrange(len(text))
    odd = rng.choice(
        (
            text[:place],
            text[:place] + chr(rng.randrange(1, 0xD7FF)) + text[place + rng.randrange(3) :],
            json.dumps(rng.choice(VALUES)),
            rng.choice(WORDS),
            f'{text[:-1]}, "deep": {nested(rng)}}}',
        )
    )
    return (text if rng.randrange(2) else odd).encode("utf-8", "replace").decode()


async def flood(streams: Sequence[Stream], *, seed: int, frames: int) -> int:
    """Send so many frames, shared by one connection to each stream; return how many questions were answered.

    Connections are ended by what is no text frame, and made anew. Raises ``TimeoutError`` when a question is not
    answered, and what ``websockets`` raises for a connection that is refused, or ends without such a cause.
    """
    shares = [frames // len(streams) + (index < frames % len(streams)) for index in range(len(streams))]
    chances = [random.Random(f"{seed}/{index}") for index in range(len(streams))]  # noqa: S311 - repeatable noise
    talks = (_talk(*each) for each in zip(streams, chances, shares, strict=True))
    return sum(await asyncio.gather(*talks))


async def _talk(stream: Stream, rng: random.Random, frames: int) -> int:
    asked = 0
    while frames > 0:
        async with connect(
            stream.url,
            additional_headers=stream.headers,
            compression=None,
            proxy=None,
            max_size=_MAX_FRAME_BYTES,
            ping_interval=None,
            open_timeout=BUSY_S,
            close_timeout=BUSY_S,
        ) as line:
            over = False
            while frames > 0 and not over:
                await _ask(line, stream, [frame(stream, rng) for _ in range(min(BURST, frames))], rng)
                frames -= BURST
                asked += 1
                over = not rng.randrange(8)
            await _break(line, rng)
    return asked


async def _ask(line: ClientConnection, stream: Stream, burst: Sequence[str], rng: random.Random) -> None:
    """Send a burst and wait for the answer to the question after it."""
    ref = secrets.token_hex(8)
    async with asyncio.timeout(BUSY_S), asyncio.TaskGroup() as group:
        group.create_task(_say(line, [*burst, json.dumps({**stream.question, "ref": ref})], rng))
        while json.loads(await line.recv()).get("ref") != ref:
            pass


async def _say(line: ClientConnection, burst: Iterable[str], rng: random.Random) -> None:
    for text in burst:
        cut = len(text) > _FRAGMENT and not rng.randrange(4)
        await line.send((text[:_FRAGMENT], text[_FRAGMENT:]) if cut else text)


async def _break(line: ClientConnection, rng: random.Random) -> None:
    """Send what ends a connection; raises ``TimeoutError`` when the other side does not end it."""
    noise = rng.randbytes(rng.randrange(1, 400))
    way = rng.randrange(4)
    if way == 0:
        line.transport.write(noise)  # no frame, or the beginning of one that never ends
        line.transport.abort()
        return
    try:
        async with asyncio.timeout(BUSY_S):
            await line.send(("x" * TOO_LONG, noise, b"\xff" + noise)[way - 1], text=way > 2 or None)  # noqa: PLR2004
            while True:
                await line.recv()
    except ConnectionClosed:
        return


def _mutated(sample: Mapping[str, object], rng: random.Random) -> dict[str, object]:
    changed = dict(sample)
    for key in rng.sample(sorted(changed), rng.choice((0, 1, 1, 2))):
        if rng.randrange(4):
            changed[key] = rng.choice((*VALUES, rng.choice(WORDS), rng.random(), str(rng.randrange(99))))
        else:
            del changed[key]
    if not rng.randrange(4):
        changed[rng.choice(WORDS)] = rng.choice(VALUES)
    return changed
