"""Push tokens of devices, and the pushes that are still to be made: both survive a restart.

Each push is one instance's own, and one that has not been heard of for ``LEASE_MS`` loses its pushes to the others.
A token's turn is one instance's at a time: a second push under way could reach the provider after it has told that the
token is gone.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum

from harness.reference.database import Database
from harness.reference.frames import Message
from harness.reference.sessions import Key
from harness.reference.storage import Connection

SCHEMA = """
CREATE TABLE IF NOT EXISTS push_tokens (
    token TEXT PRIMARY KEY, person TEXT NOT NULL, device TEXT NOT NULL, turn_of TEXT, turn_until_ms INTEGER NOT NULL,
    UNIQUE (person, device)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dropped_push_tokens (digest BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS push_jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL, conversation_id TEXT NOT NULL,
    person TEXT NOT NULL, device TEXT NOT NULL, token TEXT NOT NULL, failures INTEGER NOT NULL,
    wait_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL, owner TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS push_jobs_by_token ON push_jobs (token);
CREATE INDEX IF NOT EXISTS push_jobs_by_message ON push_jobs (message_id);
CREATE TABLE IF NOT EXISTS instances (id TEXT PRIMARY KEY, seen_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""

LEASE_MS = 3000
FORGOTTEN_MS = 3000
"""A push of one's own that is due for so long, and not being carried, was stored without anybody hearing of it."""
TURN_MS = 3000
"""Longer than an attempt takes."""
ADOPTED_AT_ONCE = 500

_JOB = "id, message_id, conversation_id, person, device, token, failures"
_ADD = f"""
INSERT INTO push_jobs (message_id, conversation_id, person, device, token, failures, wait_ms, due_ms, owner)
SELECT ?, ?, person, device, token, 0, 0, {{now}}, ? FROM push_tokens WHERE person = ? RETURNING {_JOB}
"""  # noqa: S608 - constants
_REGISTER = """
INSERT INTO push_tokens VALUES (?, ?, ?, NULL, 0)
ON CONFLICT (token) DO UPDATE SET person = excluded.person, device = excluded.device
"""
_ALIVE = """
INSERT INTO instances VALUES (?, {now}) ON CONFLICT (id) DO UPDATE SET seen_ms = excluded.seen_ms
"""
# Each push is adopted by one: what another instance has locked it is about to adopt.
_ADOPT = f"""
UPDATE push_jobs SET owner = :me WHERE id IN (
    SELECT id FROM push_jobs
    WHERE owner NOT IN (SELECT id FROM instances) OR (owner = :me AND due_ms < {{now}} - :late)
    ORDER BY id LIMIT :limit {{lock}}
) RETURNING {_JOB}, wait_ms, due_ms - {{now}}
"""  # noqa: S608 - constants
_TAKE_TURN = """
UPDATE push_tokens SET turn_of = :me, turn_until_ms = {now} + :turn
WHERE token = :token AND (turn_of IS NULL OR turn_of = :me OR turn_until_ms < {now})
"""
_FORGET = "DELETE FROM push_jobs WHERE id = ?"
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


class Turn(Enum):
    """Whether a push may be made now."""

    OURS = "ours"
    LATER = "another instance is pushing to this token"
    NEVER = "the push is done, somebody else's, or its token is gone"


class PushStore:
    """Keeps tokens and jobs; ``enabled`` is false for a service without a provider, which makes no jobs."""

    def __init__(self, database: Database, *, enabled: bool) -> None:
        self.database = database
        self._enabled = enabled
        self._instance = secrets.token_hex(8)

    async def register(self, user: str, device: str, token: str) -> bool:
        """Make this the device's token; false for one that the provider has told to be gone for good."""

        def insert(connection: Connection) -> bool:
            if connection.row("SELECT 1 FROM dropped_push_tokens WHERE digest = ?", (_digest(token),)):
                return False
            replaced = "DELETE FROM push_tokens WHERE person = ? AND device = ? AND token <> ?"
            connection.later(replaced, (user, device, token))
            connection.later(_REGISTER, (token, user, device))
            return True

        return await self.database.write(insert)

    async def unregister(self, user: str, device: str) -> None:
        """Forget the device's token; pushes that wait for it are not made."""
        sql = "DELETE FROM push_tokens WHERE person = ? AND device = ?"
        await self.database.write(lambda connection: connection.run(sql, (user, device)))

    def add(self, connection: Connection, message: Message, users: Iterable[str]) -> tuple[Job, ...]:
        """Note a push for each token of ``users``, inside the transaction that stores the message."""
        if not self._enabled:
            return ()
        sql = _ADD.format(now=connection.now_ms)
        ids = (message.message_id, message.conversation_id, self._instance)
        return tuple(Job(*row) for user in users for row in connection.rows(sql, (*ids, user)))

    async def adopt(self, carried: Collection[int]) -> list[Job]:
        """Show that this instance is alive, and return pushes that nobody carries: they are its own from now on."""
        return await self.database.write(lambda connection: self._adopt(connection, carried))

    def _adopt(self, connection: Connection, carried: Collection[int]) -> list[Job]:
        connection.later(_ALIVE.format(now=connection.now_ms), (self._instance,))
        if self._forget_dead(connection):
            sql = "UPDATE push_tokens SET turn_of = NULL WHERE turn_of NOT IN (SELECT id FROM instances)"
            connection.later(sql)
        sql = _ADOPT.format(now=connection.now_ms, lock=connection.skip_locked)
        rows = connection.rows(sql, {"me": self._instance, "late": FORGOTTEN_MS, "limit": ADOPTED_AT_ONCE})
        return [
            replace(Job(*row), wait_ms=max(0, min(wait_ms, until_due_ms)))
            for *row, wait_ms, until_due_ms in sorted(rows)
            if row[0] not in carried
        ]

    def _forget_dead(self, connection: Connection) -> int:
        if not self.database.shared:  # whoever else has used the file is gone
            return connection.run("DELETE FROM instances WHERE id <> ?", (self._instance,))
        sql = f"DELETE FROM instances WHERE seen_ms < {connection.now_ms} - ? AND id <> ?"  # noqa: S608 - a constant
        return connection.run(sql, (LEASE_MS, self._instance))

    async def leave(self) -> None:
        """Let other instances have the pushes at once."""
        await self.database.write(
            lambda connection: connection.run("DELETE FROM instances WHERE id = ?", (self._instance,))
        )

    def begin(self, job: Job) -> asyncio.Future[Turn]:
        """Take the turn of a push's token, for as long as an attempt may take."""
        return self.database.write(lambda connection: self._begin(connection, job), key=job.token)

    def _begin(self, connection: Connection, job: Job) -> Turn:
        if not connection.row("SELECT 1 FROM push_jobs WHERE id = ? AND owner = ?", (job.id, self._instance)):
            return Turn.NEVER
        place = {"me": self._instance, "token": job.token, "turn": TURN_MS}
        if connection.run(_TAKE_TURN.format(now=connection.now_ms), place):
            return Turn.OURS
        if connection.row("SELECT 1 FROM push_tokens WHERE token = ?", (job.token,)):
            return Turn.LATER
        connection.later(_FORGET, (job.id,))
        return Turn.NEVER

    async def postpone(self, job: Job) -> None:
        """Keep what a job has come to: its failures, and when it is due again; its token's turn is over."""

        def postpone(connection: Connection) -> None:
            sql = f"""
            UPDATE push_jobs SET failures = ?, wait_ms = ?, due_ms = {connection.now_ms} + ? WHERE id = ?
            """  # noqa: S608 - a constant
            connection.later(sql, (job.failures, job.wait_ms, job.wait_ms, job.id))
            self._end_turn(connection, job)

        await self.database.write(postpone)

    async def finish(self, job: Job) -> None:
        """Forget a job that is done or given up; its token's turn is over."""

        def finish(connection: Connection) -> None:
            connection.later(_FORGET, (job.id,))
            self._end_turn(connection, job)

        await self.database.write(finish)

    def _end_turn(self, connection: Connection, job: Job) -> None:
        sql = "UPDATE push_tokens SET turn_of = NULL WHERE token = ? AND turn_of = ?"
        connection.later(sql, (job.token, self._instance))

    async def needless(self, message_id: str, keys: Collection[Key]) -> None:
        """Forget the pushes of a message for devices that got it live."""

        def forget(connection: Connection) -> None:
            for user, device in sorted(keys):
                sql = "DELETE FROM push_jobs WHERE message_id = ? AND person = ? AND device = ?"
                connection.later(sql, (message_id, user, device))

        await self.database.write(forget)

    async def drop(self, job: Job) -> None:
        """Forget a token for good, with everything that waits for it: its provider says that it is gone."""

        def forget(connection: Connection) -> None:
            connection.later("DELETE FROM push_tokens WHERE token = ?", (job.token,))
            connection.later("INSERT INTO dropped_push_tokens VALUES (?) ON CONFLICT DO NOTHING", (_digest(job.token),))
            connection.later("DELETE FROM push_jobs WHERE token = ?", (job.token,))

        await self.database.write(forget)

    async def counts(self) -> dict[str, int]:
        """Count tokens in use, tokens that were dropped, and pushes that are still to be made."""
        (row,) = await self.database.read(lambda connection: connection.rows(_COUNTS))
        return dict(zip(("registered", "dropped", "jobs"), row, strict=True))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
