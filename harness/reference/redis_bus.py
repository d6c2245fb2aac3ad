"""The way between instances through Redis; loaded only by a service that is told to use it.

One channel, one connection to hear and one to tell. Both are given up when they do not answer in time, and made anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from harness.reference.bus import Envelope, News, pack, unpack
from harness.reference.log import Log

ANSWER_S = 1.0
PING_EVERY_S = 0.4
AGAIN_S = 0.2
MAX_WAITING = 10_000
MAX_AT_ONCE = 256


class RedisBus:
    """Tells and hears by publish and subscribe on ``channel`` at ``url``."""

    def __init__(self, url: str, channel: str, log: Log) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),
            max_connections=8,
        )
        self._channel = channel
        self._log = log
        self._instance = secrets.token_hex(8)
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._wake = asyncio.Event()
        self._hears = False

    def publish(self, news: News) -> None:
        """Tell the other instances, as soon as the way is open."""
        self._waiting.append(pack(Envelope(self._instance, news)))
        self._wake.set()

    async def check(self) -> bool:
        """Tell whether Redis answers and other instances are heard."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._redis.ping()
        except (RedisError, OSError, TimeoutError):
            return False
        return self._hears

    async def run(self, take: Callable[[News], None], opened: Callable[[], Awaitable[None]]) -> None:
        """Tell and hear until cancelled."""
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_again_and_again(self._tell))
                ways.create_task(_again_and_again(lambda: self._hear(take, opened)))
        finally:
            await self._redis.aclose()

    async def _tell(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                # What cannot be told now is not told later: whoever has missed it will have looked it up by then.
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_AT_ONCE))]
                async with asyncio.timeout(ANSWER_S), self._redis.pipeline(transaction=False) as pipeline:
                    for data in batch:
                        pipeline.publish(self._channel, data)
                    await pipeline.execute()

    async def _hear(self, take: Callable[[News], None], opened: Callable[[], Awaitable[None]]) -> None:
        try:
            async with self._redis.pubsub() as pubsub:
                async with asyncio.timeout(ANSWER_S):
                    await pubsub.subscribe(self._channel)
                    while await pubsub.get_message(timeout=ANSWER_S) is None:
                        pass
                self._hears = True
                self._log("cache_heard")
                await opened()
                await self._listen(pubsub, take)
        finally:
            if self._hears:
                self._log("cache_lost")
            self._hears = False

    async def _listen(self, pubsub: PubSub, take: Callable[[News], None]) -> None:
        heard_s = time.monotonic()
        while True:
            message = await pubsub.get_message(timeout=PING_EVERY_S)
            if message is not None:
                heard_s = time.monotonic()
                self._read(message, take)
            elif time.monotonic() - heard_s > ANSWER_S:
                raise TimeoutError
            else:
                await pubsub.ping()

    def _read(self, message: Mapping[str, object], take: Callable[[News], None]) -> None:
        data = message["data"]
        if message["type"] == "message" and isinstance(data, bytes):
            try:
                envelope = unpack(data)
            except msgspec.DecodeError:
                self._log("cache_misheard")  # an instance of another version
                return
            if envelope.sender != self._instance:
                take(envelope.news)


async def _again_and_again(go: Callable[[], Awaitable[None]]) -> None:
    while True:
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            await go()
        await asyncio.sleep(AGAIN_S)
