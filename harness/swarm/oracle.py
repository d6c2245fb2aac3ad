"""The reading of the truth: everybody's archive in full, past every proxy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from harness.core.digests import body_digest
from harness.drivers.api import Account, Driver, Endpoint, IncompleteRead, Stored
from harness.history.recorder import Recorder

READS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Reading:
    """What one or all archives came to; an incomplete reading proves no loss."""

    complete: bool
    messages: int


class Oracle:
    """Reads archives and records them with the observer ``oracle``."""

    def __init__(self, driver: Driver, at: Endpoint, recorder: Recorder, key: bytes) -> None:
        self._driver = driver
        self._at = at
        self._recorder = recorder
        self._key = key

    async def read(self, accounts: Iterable[Account], within_s: float) -> Reading:
        """Read every account; an archive that breaks off or is not done ``within_s`` makes the reading incomplete."""
        deadline = asyncio.get_running_loop().time() + within_s
        some = asyncio.Semaphore(READS_AT_ONCE)

        async def read_one(account: Account) -> Reading:
            async with some:
                return await self._read(account, deadline)

        readings = await asyncio.gather(*map(read_one, accounts))
        return Reading(all(each.complete for each in readings), sum(each.messages for each in readings))

    async def _read(self, account: Account, deadline: float) -> Reading:
        messages, trouble = 0, ""
        try:
            async with asyncio.timeout_at(deadline):
                async for stored in self._driver.read_all(account, self._at):
                    self._record(account, stored)
                    messages += 1
        except IncompleteRead as broken:
            trouble = str(broken)
        except TimeoutError:
            trouble = "out of time"
        detail = {"complete": not trouble, "messages": messages} | ({"trouble": trouble} if trouble else {})
        self._recorder.record("oracle_completed", observer="oracle", recipient=account.person, detail=detail)
        return Reading(not trouble, messages)

    def _record(self, account: Account, stored: Stored) -> None:
        self._recorder.record(
            "oracle_read",
            observer="oracle",
            via="archive",
            recipient=account.person,
            message_id=stored.message_id,
            client_message_id=stored.client_message_id,
            conversation_id=stored.conversation_id,
            conversation_seq=stored.conversation_seq,
            server_time_ns=stored.server_time_ns,
            sender=stored.sender,
            body_digest=body_digest(self._key, stored.body),
        )
