"""What the server itself says of a play: the archives of everybody, read on from where the last play had ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.core.clock import SystemClock
from harness.core.errors import EnvironmentFault
from harness.drivers.api import Account, Delivered, Device, Endpoint, Refused, Unknown
from harness.drivers.xmpp.driver import XmppDriver

AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Archived:
    """Messages by name and how often each is there, in the archives of senders and of recipients; when, of senders."""

    sent: Counter[str]
    received: Counter[str]
    at_ns: tuple[int, ...]

    def between(self, began_ns: int, ended_ns: int) -> int:
        """How many were archived in a span of wall time."""
        return sum(began_ns <= at < ended_ns for at in self.at_ns)


class Archives:
    """Reads what is new."""

    def __init__(self, driver: XmppDriver, at: Endpoint, accounts: Mapping[str, Account]) -> None:
        self._driver = driver
        self._at = at
        self._accounts = accounts
        self._cursors: dict[str, str | None] = dict.fromkeys(accounts)

    async def new(self) -> Archived:
        """Read everybody's messages since the last time; raises ``EnvironmentFault``."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(person: str) -> list[Delivered]:
            async with gate:
                return await self._read(person)

        return archived(dict(zip(self._accounts, await asyncio.gather(*map(one, self._accounts)), strict=True)))

    async def _read(self, person: str) -> list[Delivered]:
        device = Device(f"{person}/reader", person, "server", "1.0.0")
        session = await self._driver.connect(self._accounts[person], device, self._at, clock=SystemClock())
        if isinstance(session, Refused | Unknown):
            raise EnvironmentFault(f"the archive of {person} was not opened: {session.error_code}")
        found: list[Delivered] = []
        try:
            more = True
            while more:
                page = await session.sync(self._cursors[person])
                if isinstance(page, Refused | Unknown):
                    raise EnvironmentFault(f"the archive of {person} was not read: {page.error_code}")
                found.extend(page.items)
                self._cursors[person], more = page.cursor, page.more
        finally:
            await session.close()
        return found


def archived(found: Mapping[str, Iterable[Delivered]]) -> Archived:
    """Tell what people sent from what they were sent."""
    entries = [(person, each) for person, several in found.items() for each in several]
    sent = [each for person, each in entries if each.sender == person]
    received = [each for person, each in entries if each.sender != person]
    return Archived(
        Counter(each.message_id for each in sent),
        Counter(each.message_id for each in received),
        tuple(each.server_time_ns or 0 for each in sent),
    )
