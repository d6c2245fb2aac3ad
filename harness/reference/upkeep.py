"""What an instance that shares its data does besides serving: hear the others, and look for what nobody has told.

The bus loses things whenever a connection is cut. So each second, and at once when it can be heard again, the instance
looks into the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

from harness.reference.bus import Bus, Closed, Ended, News, Opened, Put
from harness.reference.device_mail import DeviceMail
from harness.reference.fanout import Fanout
from harness.reference.push import PushWorker
from harness.reference.sessions import Sessions
from harness.reference.storage import StorageFailed
from harness.reference.tokens import Tokens

EVERY_S = 1.0


class Upkeep:
    """Keeps an instance in step with the others."""

    def __init__(
        self,
        bus: Bus,
        fanout: Fanout,
        sessions: Sessions,
        tokens: Tokens,
        push: PushWorker,
        mail: DeviceMail,
        *,
        shared: bool,
    ) -> None:
        self._shared = shared
        self._bus = bus
        self._fanout = fanout
        self._sessions = sessions
        self._tokens = tokens
        self._push = push
        self._mail = mail

    async def run(self) -> None:
        """Do so until cancelled; one with data of its own only goes on with what an earlier process left."""
        await _tried(self._push.adopt())
        if not self._shared:
            return
        async with asyncio.TaskGroup() as both:
            both.create_task(self._bus.run(self.take, self.look_up))
            both.create_task(self._every_second())

    def take(self, news: News) -> None:
        """Do here what another instance tells."""
        match news:
            case Put():
                self._fanout.hear(news)
            case Ended():
                self._tokens.ended(news.user, news.tokens, news.how)
            case Opened():
                self._fanout.opened_elsewhere(news)
            case Closed():
                self._sessions.closed_elsewhere(news.key, news.connection)

    async def look_up(self) -> None:
        """Find what the bus has not told."""
        await asyncio.gather(
            _tried(self._fanout.look_up()),
            _tried(self._tokens.look_up(self._sessions.tokens())),
            _tried(self._push.adopt()),
            _tried(self._mail.look_up()),
        )

    async def _every_second(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self.look_up()


async def _tried(look: Awaitable[None]) -> None:
    with suppress(StorageFailed):  # the next second is another try
        await look
