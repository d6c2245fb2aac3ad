"""Lets a second writer help out when sends queue up, which numbers messages from a range of its own."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from harness.reference.clock import Clock
from harness.reference.database import Database
from harness.reference.frames import Draft, Message
from harness.reference.membership import Audience
from harness.reference.messages import Appended, Deduplication, Guard, Messages
from harness.reference.parts import Parts
from harness.reference.push_store import PushStore
from harness.reference.sessions import Key
from harness.reference.storage import Connection

QUEUE = 4
RANGE = 1000
TAKEN = "SELECT 1 FROM messages WHERE conversation_id = ? AND seq = ?"


class TwoWriters(Messages):
    """Has a range of numbers for each of two writers, to spare them waiting for each other."""

    def __init__(
        self, database: Database, deduplication: Deduplication, audience: Audience, pushes: PushStore, clock: Clock
    ) -> None:
        super().__init__(database, deduplication, audience, pushes, clock)
        self._queued: set[asyncio.Future[Appended]] = set()

    def append(self, origin: Key, wanted: Draft, guard: Guard) -> asyncio.Future[Appended]:
        """Queue a send."""
        stored = super().append(origin, wanted, guard)
        self._queued.add(stored)
        stored.add_done_callback(self._queued.discard)
        return stored

    def _next(self, connection: Connection, sender: str, wanted: Draft, conversation_id: str) -> Message:
        message = super()._next(connection, sender, wanted, conversation_id)
        seq = message.seq + (RANGE if len(self._queued) >= QUEUE else 0)
        while connection.row(TAKEN, (conversation_id, seq)) is not None:
            seq += 1
        return replace(message, seq=seq)


PARTS = Parts(messages=TwoWriters)
