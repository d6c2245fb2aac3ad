"""A device without a gateway: it hears of messages by reading the roaming history again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from harness.drivers.api import (
    Accepted,
    Closed,
    Incoming,
    Outgoing,
    Page,
    ReceiptState,
    Refreshed,
    Refused,
    TokenRejected,
    Unknown,
)
from harness.drivers.arrivals import arrivals
from harness.drivers.tencent.codes import UNAUTHORISED
from harness.drivers.tencent.history import roam
from harness.drivers.tencent.messages import Message
from harness.drivers.tencent.sending import Sender

OVERLAP_S = 300
"""How far a reading goes back: a message has the second of its first attempt, however late it was stored."""
NO_PUSH = Refused("no_push", http_status=404)

Peers = Callable[[], Sequence[str]]


class Histories:
    """What one device reads of its person's histories, and what it has got by that."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._got: set[str] = set()

    async def read(self, sender: Sender, since_s: int) -> list[Message] | Refused | Unknown:
        """Return the messages with all peers since a second, in the order of each conversation."""
        found: list[Message] = []
        for peer in self._peers():
            history = await roam(sender.rest, sender.credential.token, sender.user, peer, since_s=max(0, since_s))
            if isinstance(history, Refused | Unknown):
                sender.note(history)
                return history
            found.extend(history)
        return found

    def news(self, messages: Sequence[Message]) -> list[Message]:
        """Return what the device has not got in an earlier sync; now it has."""
        fresh = [message for message in messages if message.key not in self._got]
        self._got.update(message.key for message in fresh)
        return fresh


class PolledSession:
    """A device that polls, made by the driver; ``known`` are the messages from before it connected."""

    def __init__(
        self, sender: Sender, histories: Histories, known: Sequence[Message], *, connection: str, poll_s: float
    ) -> None:
        self.connection = connection
        self._sender = sender
        self._histories = histories
        self._poll_s = poll_s
        self._pushed: asyncio.Queue[Incoming] = asyncio.Queue()
        self._seen = {message.key for message in known}
        self._latest_s = max((message.time_s for message in known), default=0)
        self._polling = asyncio.create_task(self._poll(), name=f"polls of {connection}")

    @property
    def credential(self) -> str:
        """The administrator's UserSig in use."""
        return self._sender.credential.token

    async def send(self, message: Outgoing, *, attempt: int) -> Accepted | Refused | Unknown:  # noqa: ARG002 - the protocol has no place for it
        """Send once by REST v4, in the person's name."""
        return await self._sender.send(message)

    def incoming(self) -> AsyncIterator[Incoming]:
        """Yield what the readings bring until one of them fails; for one reader."""
        return arrivals(self._pushed)

    async def sync(self, cursor: str | None) -> Page | Refused | Unknown:
        """Read what this device has not got by a sync; the cursor is the second of the newest message."""
        found = await self._histories.read(self._sender, int(cursor or 0) - OVERLAP_S)
        if isinstance(found, Refused | Unknown):
            return found
        latest_s = max([int(cursor or 0), *(message.time_s for message in found)])
        items = tuple(message.delivered() for message in self._histories.news(found))
        return Page(items, str(latest_s), more=False)

    async def mark(self, message_id: str, state: ReceiptState) -> Refused | Unknown | None:  # noqa: ARG002 - see below
        """Tell nobody: by REST only a whole conversation can be reported as read, up to a second."""
        return None

    async def refresh(self) -> Refreshed | Refused | Unknown:
        """Sign anew."""
        return await self._sender.refresh()

    async def register_push(self, token: str | None) -> Refused | Unknown | None:
        """Refuse: a device's token is told by its SDK."""
        return NO_PUSH if token else None

    async def close(self, *, abrupt: bool = False) -> None:
        """Poll no more, without a word either way."""
        self._polling.cancel()
        await asyncio.wait([self._polling])
        await self._sender.rest.close()
        self._pushed.put_nowait(Closed(None, "closed", clean=not abrupt))

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            found = await self._histories.read(self._sender, self._latest_s - OVERLAP_S)
            if isinstance(found, Refused | Unknown):
                return self._end(found)
            for message in found:
                if message.key not in self._seen:
                    self._seen.add(message.key)
                    self._pushed.put_nowait(message.delivered())
            self._latest_s = max([self._latest_s, *(message.time_s for message in found)])

    def _end(self, failed: Refused | Unknown) -> None:
        if failed.http_status == UNAUTHORISED:
            self._pushed.put_nowait(TokenRejected(failed.error_code))
        self._pushed.put_nowait(Closed(failed.http_status, failed.error_code, clean=False))
