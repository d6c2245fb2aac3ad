"""The receiving side of one device: what its connection brings, what its sync brings, and what it tells the sender."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from harness.core.digests import body_digest
from harness.core.events import Via
from harness.core.retry import is_final
from harness.core.seeds import Seed
from harness.drivers.api import (
    Bounced,
    Closed,
    Confirmed,
    Delivered,
    Device,
    ForDevice,
    Page,
    Receipt,
    ReceiptState,
    Refused,
    Session,
    TokenRejected,
    Unknown,
)
from harness.drivers.limits import Limits, TimeLimit
from harness.history.recorder import Recorder

SYNC_LIMIT_S = 2.5
MARK_LIMIT_S = 1.0
MARKS_AT_ONCE = 16
READ_ONE_IN = 2
"""Every second message, drawn by its id, is opened."""

Drop = Callable[[Session, str], Awaitable[None]]
Rejected = Callable[[Session, TokenRejected], None]
Arrived = Callable[[Device, Delivered], None]
"""Called with each message that a device has not had before; it must be quick."""


class Inbox:
    """What one device has received; every arrival is recorded before anything is made of it."""

    def __init__(
        self,
        device: Device,
        recorder: Recorder,
        *,
        seed: Seed,
        key: bytes,
        drop: Drop,
        rejected: Rejected,
        arrived: Arrived | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._mark_limit = (limits or Limits()).of(MARK_LIMIT_S)
        self._device = device
        self._recorder = recorder
        self._seed = seed
        self._key = key
        self._drop = drop
        self._rejected = rejected
        self._arrived = arrived
        self._cursor: str | None = None
        self._syncing = asyncio.Lock()
        self._seen: set[str] = set()
        self._marks: deque[tuple[str, ReceiptState]] = deque()
        self._to_mark = asyncio.Event()

    async def serve(self, session: Session) -> Closed:
        """Receive until the session ends, meanwhile catching up on what was missed and marking what came."""
        async with asyncio.TaskGroup() as helpers:
            tasks = [
                helpers.create_task(self._catch_up_or_drop(session)),
                helpers.create_task(self._mark_all(session)),
            ]
            closed = await self._receive(session)
            for task in tasks:
                task.cancel()
        return closed

    async def catch_up(self, session: Session) -> bool:
        """Follow this device's own cursor to its end; False when the session did not carry that far."""
        async with self._syncing:
            start = self._cursor
            while True:
                page = await self._page(session)
                if not isinstance(page, Page) or (page.more and page.cursor == self._cursor):
                    return False
                self._take(page)
                if not page.more:
                    self._record_synced(session, start)
                    return True

    async def _receive(self, session: Session) -> Closed:
        async for item in session.incoming():
            match item:
                case Delivered():
                    self._record_live(session, item)
                    self._acknowledge(item)
                case Bounced():
                    self._record_bounce(session, item)
                case ForDevice():
                    self._record_for_device(session, item)
                case Confirmed():
                    self._record_confirmed(session, item)
                case Receipt():
                    self._record_receipt(session, item)
                case TokenRejected():
                    self._rejected(session, item)
                case Closed():
                    return item
        return Closed(None, "ended_without_close", clean=False)

    async def _catch_up_or_drop(self, session: Session) -> None:
        if not await self.catch_up(session):
            await self._drop(session, "sync_failed")

    async def _page(self, session: Session) -> Page | Refused | Unknown:
        try:
            async with asyncio.timeout(SYNC_LIMIT_S):
                return await session.sync(self._cursor)
        except TimeoutError:
            return Unknown("sync_timeout")

    def _take(self, page: Page) -> None:
        before, self._cursor = self._cursor, page.cursor
        for item in page.items:
            self._record_arrival(
                "recipient_synced", item, via=item.via or "sync", cursor_from=before, cursor_to=page.cursor
            )
            self._acknowledge(item)
        if page.filled:
            detail = {"conversations": page.filled}
            self._recorder.record("sync_gap_filled", device=self._device.id, cursor_from=before, detail=detail)

    def _acknowledge(self, item: Delivered) -> None:
        """Queue what the sender is told of a message, once per message; own messages need no word."""
        if item.sender == self._device.person or item.message_id in self._seen:
            return
        self._seen.add(item.message_id)
        if self._arrived is not None:
            self._arrived(self._device, item)
        self._marks.append((item.message_id, "delivered"))
        name = item.client_message_id or item.message_id
        if self._seed.number("read", self._device.id, name) % READ_ONE_IN == 0:
            self._marks.append((item.message_id, "read"))
            self._record_read(item)
        self._to_mark.set()

    async def _mark_all(self, session: Session) -> None:
        while True:
            await self._to_mark.wait()
            batch = [self._marks.popleft() for _ in range(min(len(self._marks), MARKS_AT_ONCE))]
            if not self._marks:
                self._to_mark.clear()
            await self._mark_batch(session, batch)

    async def _mark_batch(self, session: Session, batch: list[tuple[str, ReceiptState]]) -> None:
        """Send some marks together; those that were not answered are due again, also on the next session."""
        unanswered = list(batch)
        try:
            if len(batch) == 1:  # as most are: a task of its own would cost more than the mark
                outcomes = [await _marked(session, *batch[0], self._mark_limit)]
            else:
                outcomes = await asyncio.gather(*(_marked(session, *mark, self._mark_limit) for mark in batch))
            unanswered = [mark for mark, ok in zip(batch, outcomes, strict=True) if not ok]
        finally:
            if unanswered:
                self._marks.extendleft(reversed(unanswered))
                self._to_mark.set()
        if unanswered:
            await asyncio.sleep(MARK_LIMIT_S)

    def _record_live(self, session: Session, item: Delivered) -> None:
        via = item.via or "live"
        self._record_arrival("recipient_online_delivered", item, via=via, connection=session.connection)

    def _record_bounce(self, session: Session, item: Bounced) -> None:
        """The sender learns that the service, which had acknowledged the message, could not deliver it."""
        self._recorder.record(
            "client_send_failed",
            device=self._device.id,
            connection=session.connection,
            op=item.client_message_id,
            client_message_id=item.client_message_id,
            message_id=item.message_id,
            sender=self._device.person,
            outcome="fail",
            error_code=item.error_code,
            detail={"bounced": True},
        )

    def _record_for_device(self, session: Session, item: ForDevice) -> None:
        self._recorder.record(
            "to_device_arrived",
            device=self._device.id,
            connection=session.connection,
            client_message_id=item.id,
            sender=item.sender,
            via=item.via,
            body_digest=body_digest(self._key, item.body),
        )

    def _record_confirmed(self, session: Session, item: Confirmed) -> None:
        for name in item.ids:
            self._recorder.record(
                "to_device_confirmed", device=self._device.id, connection=session.connection, client_message_id=name
            )

    def _record_arrival(
        self,
        event: str,
        item: Delivered,
        *,
        via: Via,
        connection: str | None = None,
        cursor_from: str | None = None,
        cursor_to: str | None = None,
    ) -> None:
        self._recorder.record(
            event,
            device=self._device.id,
            via=via,
            connection=connection,
            cursor_from=cursor_from,
            cursor_to=cursor_to,
            message_id=item.message_id,
            client_message_id=item.client_message_id,
            conversation_id=item.conversation_id,
            conversation_seq=item.conversation_seq,
            server_time_ns=item.server_time_ns,
            sender=item.sender,
            body_digest=body_digest(self._key, item.body),
        )

    def _record_synced(self, session: Session, start: str | None) -> None:
        self._recorder.record(
            "sync_completed",
            device=self._device.id,
            connection=session.connection,
            cursor_from=start,
            cursor_to=self._cursor,
        )

    def _record_receipt(self, session: Session, receipt: Receipt) -> None:
        event = "read_receipt_received" if receipt.state == "read" else "delivery_receipt_received"
        self._recorder.record(
            event,
            device=self._device.id,
            connection=session.connection,
            message_id=receipt.message_id,
            sender=receipt.by,
            detail={"by_device": receipt.device} if receipt.device else None,
        )

    def _record_read(self, item: Delivered) -> None:
        self._recorder.record(
            "message_read",
            device=self._device.id,
            message_id=item.message_id,
            client_message_id=item.client_message_id,
            conversation_id=item.conversation_id,
            sender=item.sender,
        )


async def _marked(session: Session, message_id: str, state: ReceiptState, limit: TimeLimit) -> bool:
    try:
        with limit:
            outcome = await session.mark(message_id, state)
    except TimeoutError:
        return False
    return outcome is None or (isinstance(outcome, Refused) and is_final(outcome.http_status))
