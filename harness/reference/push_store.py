"""Push tokens of devices, and the pushes that are still to be made: both survive a restart."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from harness.reference.clock import Clock
from harness.reference.database import Database
from harness.reference.frames import Message

SCHEMA = """
CREATE TABLE IF NOT EXISTS push_tokens (
    token TEXT PRIMARY KEY, user TEXT NOT NULL, device TEXT NOT NULL, UNIQUE (user, device)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dropped_push_tokens (digest BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS push_jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL, conversation_id TEXT NOT NULL,
    user TEXT NOT NULL, device TEXT NOT NULL, token TEXT NOT NULL, failures INTEGER NOT NULL,
    wait_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS push_jobs_by_token ON push_jobs (token);
"""

_ADD = """
INSERT INTO push_jobs (message_id, conversation_id, user, device, token, failures, wait_ms, due_ms)
SELECT ?, ?, user, device, token, 0, 0, 0 FROM push_tokens WHERE user = ?
RETURNING id, message_id, conversation_id, user, device, token
"""
_PENDING = """
SELECT id, message_id, conversation_id, user, device, token, failures, max(0, min(wait_ms, due_ms - ?))
FROM push_jobs ORDER BY id
"""
_COUNTS = """
SELECT (SELECT count(*) FROM push_tokens), (SELECT count(*) FROM dropped_push_tokens), (SELECT count(*) FROM push_jobs)
"""


@dataclass(frozen=True, slots=True)
class Job:
    """One push to make: of one message to one device's token, ``wait_ms`` from now."""

    id: int
    message_id: str
    conversation_id: str
    user: str
    device: str
    token: str = field(repr=False)
    failures: int = 0
    wait_ms: int = 0


class PushStore:
    """Keeps tokens and jobs; ``enabled`` is false for a service without a provider, which makes no jobs."""

    def __init__(self, database: Database, clock: Clock, *, enabled: bool) -> None:
        self.database = database
        self._clock = clock
        self._enabled = enabled

    async def register(self, user: str, device: str, token: str) -> bool:
        """Make this the device's token; false for one that the provider has told to be gone for good."""

        def insert(connection: sqlite3.Connection) -> bool:
            sql = "SELECT 1 FROM dropped_push_tokens WHERE digest = ?"
            if connection.execute(sql, (_digest(token),)).fetchone() is not None:
                return False
            connection.execute("INSERT OR REPLACE INTO push_tokens VALUES (?, ?, ?)", (token, user, device))
            return True

        return await self.database.write(insert)

    async def unregister(self, user: str, device: str) -> None:
        """Forget the device's token; pushes that wait for it are not made."""
        sql = "DELETE FROM push_tokens WHERE user = ? AND device = ?"
        await self.database.write(lambda connection: connection.execute(sql, (user, device)).rowcount)

    def add(self, connection: sqlite3.Connection, message: Message, users: Iterable[str]) -> tuple[Job, ...]:
        """Note a push for each token of ``users``, inside the transaction that stores the message."""
        if not self._enabled:
            return ()
        ids = (message.message_id, message.conversation_id)
        return tuple(Job(*row) for user in users for row in connection.execute(_ADD, (*ids, user)).fetchall())

    def pending(self) -> asyncio.Future[list[Job]]:
        """Read the pushes that are still to be made, and how long each has to wait yet."""
        return self.database.read(
            lambda connection: [Job(*row) for row in connection.execute(_PENDING, (self._clock(),))]
        )

    def registered(self, token: str) -> asyncio.Future[bool]:
        """Tell whether a token is still some device's."""
        sql = "SELECT 1 FROM push_tokens WHERE token = ?"
        return self.database.read(lambda connection: connection.execute(sql, (token,)).fetchone() is not None)

    async def postpone(self, job: Job) -> None:
        """Keep what a job has come to: its failures, and when it is due again."""
        sql = "UPDATE push_jobs SET failures = ?, wait_ms = ?, due_ms = ? WHERE id = ?"
        values = (job.failures, job.wait_ms, self._clock() + job.wait_ms, job.id)
        await self.database.write(lambda connection: connection.execute(sql, values).rowcount)

    async def finish(self, jobs: Collection[Job]) -> None:
        """Forget jobs that are done or given up."""
        ids = [(job.id,) for job in jobs]
        sql = "DELETE FROM push_jobs WHERE id = ?"
        await self.database.write(lambda connection: connection.executemany(sql, ids).rowcount)

    async def drop(self, job: Job) -> None:
        """Forget a token for good, with everything that waits for it: its provider says that it is gone."""

        def forget(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM push_tokens WHERE token = ?", (job.token,))
            connection.execute("INSERT OR IGNORE INTO dropped_push_tokens VALUES (?)", (_digest(job.token),))
            connection.execute("DELETE FROM push_jobs WHERE token = ?", (job.token,))

        await self.database.write(forget)

    async def counts(self) -> dict[str, int]:
        """Count tokens in use, tokens that were dropped, and pushes that are still to be made."""
        row = await self.database.read(lambda connection: connection.execute(_COUNTS).fetchone())
        return dict(zip(("registered", "dropped", "jobs"), row, strict=True))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
