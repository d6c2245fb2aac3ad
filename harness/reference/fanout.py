"""Hands what is put into feeds to live devices, in the order of each feed, wherever it was stored.

Each person with a live connection here has a place in their feed up to which they were served. What comes right after
it is handed on at once; when something is missing before it, both are read from the feed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass

from harness.reference.bus import Bus, Closed, Opened, Put
from harness.reference.feeds import AT_ONCE, Feeds, Item
from harness.reference.frames import Message, encode
from harness.reference.sessions import Key, Session, Sessions
from harness.reference.storage import StorageFailed

MAX_LOOKED_UP = 500

Needless = Callable[[str, Collection[Key]], None]
"""Takes a message's id and devices that got it live, although a push was noted for them."""


@dataclass(slots=True)
class Follower:
    """How far a person was served (``at``), and how far their feed is known to go."""

    at: int
    known: int
    reading: bool = False


class Fanout:
    """Serves the live devices of this instance from what all instances store."""

    def __init__(self, sessions: Sessions, feeds: Feeds, bus: Bus, needless: Needless) -> None:
        self.sessions = sessions
        self._feeds = feeds
        self._bus = bus
        self._needless = needless
        self._followers: dict[str, Follower] = {}
        self._readers: set[asyncio.Task[None]] = set()

    async def place(self, user: str) -> int:
        """Return where a person's feed ends; raises ``StorageFailed``."""
        return await self._feeds.length(user)

    def follow(self, session: Session, place: int) -> None:
        """Make a session its device's, to be sent whatever is put after ``place``."""
        if not self.sessions.of(session.user):
            self._followers[session.user] = Follower(place, place)
        self.sessions.register(session)
        opened = Opened(key=session.key, connection=session.connection, opened_ms=session.opened_ms)
        self._bus.publish(opened)

    def leave(self, session: Session) -> None:
        """Forget a session that ended."""
        if self.sessions.unregister(session):
            self._left(session)

    def opened_elsewhere(self, news: Opened) -> None:
        """Let a device have its session at another instance alone."""
        replaced = self.sessions.opened_elsewhere(news.key, news.connection, news.opened_ms)
        if replaced is not None:
            self._left(replaced)

    def _left(self, session: Session) -> None:
        self._bus.publish(Closed(key=session.key, connection=session.connection))
        if not self.sessions.of(session.user):
            self._followers.pop(session.user, None)

    def put(self, news: Put) -> int:
        """Hand on what this instance has stored, here and elsewhere, and return how many devices it reached here."""
        self._bus.publish(news)
        return self._take(news)

    def hear(self, news: Put) -> None:
        """Hand on what another instance has stored, which need not push it to devices that are here."""
        self._take(news)
        self._served(news.message_id, news.pushes)

    def _take(self, news: Put) -> int:
        reached = 0
        for user, position in news.positions.items():
            follower = self._followers.get(user)
            if follower is None or position <= follower.at:
                continue
            follower.known = max(follower.known, position)
            if position == follower.at + 1 and not follower.reading:
                follower.at = position
                reached += self.sessions.fan_out(news.frame, [user], besides=news.besides)
            else:
                self._catch_up(user, follower)
        return reached

    def _served(self, message_id: str, pushes: Iterable[Key]) -> None:
        if here := [key for key in pushes if self.sessions.reaches(key)]:
            self._needless(message_id, here)

    async def look_up(self) -> None:
        """Hand on what was stored without this instance having heard of it; raises ``StorageFailed``."""
        users = list(self._followers)
        for start in range(0, len(users), MAX_LOOKED_UP):
            lengths = await self._feeds.lengths(users[start : start + MAX_LOOKED_UP])
            for user, length in lengths.items():
                follower = self._followers.get(user)
                if follower is not None and length > follower.at:
                    follower.known = max(follower.known, length)
                    self._catch_up(user, follower)

    def _catch_up(self, user: str, follower: Follower) -> None:
        if not follower.reading:
            follower.reading = True
            reader = asyncio.create_task(self._read(user, follower))
            self._readers.add(reader)
            reader.add_done_callback(self._readers.discard)

    async def _read(self, user: str, follower: Follower) -> None:
        try:
            with suppress(StorageFailed):  # what comes next, or the next look, begins again
                while follower.at < follower.known and self._followers.get(user) is follower:
                    known = follower.known
                    items = await self._feeds.after(user, follower.at)
                    for item in items:
                        self._serve(user, item)
                    end = items[-1].position if items else 0
                    follower.at = end if len(items) == AT_ONCE else max(end, known)
        finally:
            follower.reading = False

    def _serve(self, user: str, item: Item) -> None:
        self.sessions.fan_out(encode(item.frame), [user], besides=item.besides)
        if isinstance(item.frame, Message):
            self._served(item.frame.message_id, self.sessions.of(user))
