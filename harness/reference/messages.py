"""What is stored of messages: their order in a conversation, each person's feed, and receipts."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from dataclasses import dataclass

from harness.reference.clock import Clock
from harness.reference.database import Database
from harness.reference.frames import MAX_PAGE, MAX_PAGE_BYTES, Draft, Mark, Message, Page, Refused, Sync
from harness.reference.membership import Audience, conversation_of
from harness.reference.push_store import Job, PushStore

SCHEMA = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY, last_seq INTEGER NOT NULL, last_time_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    client_message_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    sender TEXT NOT NULL,
    body TEXT NOT NULL,
    server_time_ms INTEGER NOT NULL,
    client_time_ms INTEGER,
    UNIQUE (conversation_id, seq)
) STRICT;
CREATE TABLE IF NOT EXISTS feed (
    user TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (user, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receipts (
    message_id TEXT NOT NULL, user TEXT NOT NULL, device TEXT NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (message_id, user, device, state)
) STRICT, WITHOUT ROWID;
"""

_COLUMNS = "message_id, client_message_id, conversation_id, seq, sender, body, server_time_ms, client_time_ms"
_SELECT = f"SELECT {_COLUMNS} FROM messages"  # noqa: S608 - a constant
_FEED = f"""
SELECT position, {_COLUMNS} FROM feed JOIN messages USING (position)
WHERE feed.user = ? AND position > ? ORDER BY position LIMIT ?
"""  # noqa: S608 - a constant
_NEXT_IN_CONVERSATION = """
INSERT INTO conversations VALUES (:id, 1, :now)
ON CONFLICT (id) DO UPDATE SET last_seq = last_seq + 1, last_time_ms = max(last_time_ms, :now)
RETURNING last_seq, last_time_ms
"""


@dataclass(frozen=True, slots=True)
class Appended:
    """A message on disk, whom it is for, and the pushes that it takes.

    ``fresh`` is false when the same send had been stored before: it has been handed out then.
    """

    message: Message
    fresh: bool
    audience: frozenset[str] = frozenset()
    pushes: tuple[Job, ...] = ()


@dataclass(frozen=True, slots=True)
class Marked:
    """A receipt on disk; ``tell`` is the person to tell, or None when nobody is to be told (again)."""

    tell: str | None


class Deduplication:
    """Knows a send that was stored before, over restarts too: the message itself is the memory."""

    schema = "CREATE UNIQUE INDEX IF NOT EXISTS one_per_send ON messages (sender, client_message_id);"

    def find(self, connection: sqlite3.Connection, sender: str, client_message_id: str) -> Message | None:
        """Return what an earlier attempt of the same send has stored."""
        sql = f"{_SELECT} WHERE sender = ? AND client_message_id = ?"
        row = connection.execute(sql, (sender, client_message_id)).fetchone()
        return _message(row) if row else None

    def remember(self, message: Message) -> None:
        """Take note of a new message: the index has it already."""


class Messages:
    """Appends, pages and receipts."""

    def __init__(
        self, database: Database, deduplication: Deduplication, audience: Audience, pushes: PushStore, clock: Clock
    ) -> None:
        self._database = database
        self._deduplication = deduplication
        self._audience = audience
        self._pushes = pushes
        self._clock = clock

    def append(self, sender: str, wanted: Draft) -> asyncio.Future[Appended]:
        """Store a message, or find it when it was stored before; raises ``Refused`` for what cannot be stored."""
        return self._database.write(lambda connection: self._append(connection, sender, wanted))

    def _append(self, connection: sqlite3.Connection, sender: str, wanted: Draft) -> Appended:
        conversation_id = conversation_of(sender, wanted)
        earlier = self._deduplication.find(connection, sender, wanted.client_message_id)
        if earlier is not None:
            if (earlier.conversation_id, earlier.body) != (conversation_id, wanted.body):
                raise Refused("id_reused", "this client_message_id stands for another message already")
            return Appended(earlier, fresh=False)
        audience = self._audience.of(connection, sender, wanted)
        message = self._next(connection, sender, wanted, conversation_id)
        _insert(connection, message, audience)
        self._deduplication.remember(message)
        pushes = self._pushes.add(connection, message, audience - {sender})
        return Appended(message, fresh=True, audience=audience, pushes=pushes)

    def _next(self, connection: sqlite3.Connection, sender: str, wanted: Draft, conversation_id: str) -> Message:
        # The conversation's time never steps back, whatever the host's clock does.
        place = {"id": conversation_id, "now": self._clock()}
        seq, now_ms = connection.execute(_NEXT_IN_CONVERSATION, place).fetchone()
        return Message(
            message_id=f"m-{secrets.token_hex(8)}",
            client_message_id=wanted.client_message_id,
            conversation_id=conversation_id,
            seq=seq,
            sender=sender,
            body=wanted.body,
            server_time_ms=now_ms,
            client_time_ms=wanted.client_time_ms,
        )

    def page(self, user: str, wanted: Sync) -> asyncio.Future[Page]:
        """Read one page of what ``user`` can see after the cursor, oldest first."""
        return self._database.read(lambda connection: _page(connection, user, wanted))

    def mark(self, user: str, device: str, wanted: Mark) -> asyncio.Future[Marked]:
        """Store a receipt; raises ``Refused`` when ``user`` cannot see the message."""
        return self._database.write(lambda connection: _mark(connection, user, device, wanted))

    def count(self) -> asyncio.Future[int]:
        """Count the stored messages."""
        return self._database.read(
            lambda connection: int(connection.execute("SELECT count(*) FROM messages").fetchone()[0])
        )

    def check(self) -> asyncio.Future[bool]:
        """Prove that the writer answers and the tables are there; raises ``sqlite3.Error`` when they are not."""
        return self._database.write(lambda connection: _exists(connection, "SELECT ? FROM messages LIMIT 1", 1))


def _message(row: tuple[str, str, str, int, str, str, int, int | None]) -> Message:
    message_id, client_message_id, conversation_id, seq, sender, body, server_time_ms, client_time_ms = row
    return Message(
        message_id=message_id,
        client_message_id=client_message_id,
        conversation_id=conversation_id,
        seq=seq,
        sender=sender,
        body=body,
        server_time_ms=server_time_ms,
        client_time_ms=client_time_ms,
    )


def _exists(connection: sqlite3.Connection, sql: str, *values: str | int) -> bool:
    return connection.execute(sql, values).fetchone() is not None


def _insert(connection: sqlite3.Connection, message: Message, audience: frozenset[str]) -> None:
    sql = f"INSERT INTO messages ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - a constant
    position = connection.execute(sql, tuple(getattr(message, name) for name in Message.__struct_fields__)).lastrowid
    connection.executemany("INSERT INTO feed VALUES (?, ?)", [(user, position) for user in audience])


def _page(connection: sqlite3.Connection, user: str, wanted: Sync) -> Page:
    cursor, room = int(wanted.cursor or 0), MAX_PAGE_BYTES
    limit = min(wanted.limit, MAX_PAGE)
    items: list[Message] = []
    more = False
    for position, *row in connection.execute(_FEED, (user, cursor, limit + 1)):
        message = _message(tuple(row))
        room -= len(message.body.encode())
        if len(items) == limit or (items and room < 0):
            more = True
            break
        items.append(message)
        cursor = position
    return Page(ref=wanted.ref, items=items, cursor=str(cursor), more=more)


def _mark(connection: sqlite3.Connection, user: str, device: str, wanted: Mark) -> Marked:
    sql = "SELECT sender FROM messages JOIN feed USING (position) WHERE message_id = ? AND feed.user = ?"
    row = connection.execute(sql, (wanted.message_id, user)).fetchone()
    if row is None:
        raise Refused("unknown_message", "there is no such message for this user")
    if row[0] == user:
        return Marked(tell=None)  # one's own other device has it: that delivers it to nobody
    sql = "INSERT OR IGNORE INTO receipts VALUES (?, ?, ?, ?)"
    fresh = connection.execute(sql, (wanted.message_id, user, device, wanted.state)).rowcount
    return Marked(tell=row[0] if fresh else None)
