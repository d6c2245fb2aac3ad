"""What is stored of messages: their order in a conversation, each person's feed, and receipts."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.reference.clock import Clock
from harness.reference.database import Database
from harness.reference.feeds import Positions, message_of, put
from harness.reference.frames import MAX_PAGE, MAX_PAGE_BYTES, Draft, Mark, Message, Page, Receipt, Refused, Sync
from harness.reference.membership import Audience, conversation_of
from harness.reference.push_store import Job, PushStore
from harness.reference.sessions import Key
from harness.reference.storage import Connection, Failed

SCHEMA = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY, last_seq INTEGER NOT NULL, last_time_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    message_id TEXT PRIMARY KEY,
    client_message_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    sender TEXT NOT NULL,
    body BLOB NOT NULL,
    server_time_ms INTEGER NOT NULL,
    client_time_ms INTEGER,
    origin TEXT NOT NULL,
    UNIQUE (conversation_id, seq)
) STRICT;
CREATE TABLE IF NOT EXISTS receipts (
    message_id TEXT NOT NULL, person TEXT NOT NULL, device TEXT NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (message_id, person, device, state)
) STRICT, WITHOUT ROWID;
"""

_NAMES = Message.__struct_fields__
_COLUMNS = ", ".join(_NAMES)
_BODY = _NAMES.index("body")
_SELECT = f"SELECT {_COLUMNS} FROM messages"  # noqa: S608 - a constant
_INSERT = f"INSERT INTO messages ({_COLUMNS}, origin) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - a constant
_PAGE = f"""
SELECT position, {_COLUMNS} FROM feed JOIN messages USING (message_id)
WHERE feed.person = ? AND position > ? AND state IS NULL ORDER BY position LIMIT ?
"""  # noqa: S608 - a constant
_NEXT_IN_CONVERSATION = """
INSERT INTO conversations VALUES (:id, 1, :now)
ON CONFLICT (id) DO UPDATE SET last_seq = conversations.last_seq + 1, last_time_ms =
    CASE WHEN conversations.last_time_ms > excluded.last_time_ms THEN conversations.last_time_ms
    ELSE excluded.last_time_ms END
RETURNING last_seq, last_time_ms
"""


@dataclass(frozen=True, slots=True)
class Appended:
    """A message on disk, whom it is for and where in their feeds, and the pushes that it takes.

    ``fresh`` is false when the same send had been stored before: it has been handed out then.
    """

    message: Message
    fresh: bool
    audience: Positions = field(default_factory=dict)
    pushes: tuple[Job, ...] = ()


@dataclass(frozen=True, slots=True)
class Marked:
    """A receipt on disk; ``tell`` is the person to tell, and nobody when nobody is to be told (again)."""

    tell: Positions


Guard = Callable[[Connection], None]
"""Asked first in the transaction that stores a message; raises ``Refused`` when it is not to be stored."""


class Deduplication:
    """Knows a send that was stored before, over restarts too: the message itself is the memory."""

    schema = "CREATE UNIQUE INDEX IF NOT EXISTS one_per_send ON messages (sender, client_message_id);"

    def find(self, connection: Connection, sender: str, client_message_id: str) -> Message | None:
        """Return what an earlier attempt of the same send has stored."""
        row = connection.row(f"{_SELECT} WHERE sender = ? AND client_message_id = ?", (sender, client_message_id))
        return message_of(row) if row else None

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

    def append(self, origin: Key, wanted: Draft, guard: Guard) -> asyncio.Future[Appended]:
        """Store a message, or find it when it was stored before; raises ``Refused`` for what cannot be stored."""

        def append(connection: Connection) -> Appended | Failed:
            try:
                guard(connection)
            except Refused as refused:
                return Failed(refused, keep=True)  # who was refused how often counts
            return self._append(connection, origin, wanted)

        return self._database.write(append, key=conversation_of(origin[0], wanted))

    def _append(self, connection: Connection, origin: Key, wanted: Draft) -> Appended:
        sender, device = origin
        conversation_id = conversation_of(sender, wanted)
        earlier = self._deduplication.find(connection, sender, wanted.client_message_id)
        if earlier is not None:
            if (earlier.conversation_id, earlier.body) != (conversation_id, wanted.body):
                raise Refused("id_reused", "this client_message_id stands for another message already")
            return Appended(earlier, fresh=False)
        people = self._audience.of(connection, sender, wanted)
        message = self._next(connection, sender, wanted, conversation_id)
        _insert(connection, message, device)
        audience = put(connection, people, message.message_id)
        self._deduplication.remember(message)
        pushes = self._pushes.add(connection, message, sorted(people - {sender}))
        return Appended(message, fresh=True, audience=audience, pushes=pushes)

    def _next(self, connection: Connection, sender: str, wanted: Draft, conversation_id: str) -> Message:
        # The conversation's time never steps back, whatever the host's clock does. Its row is locked until the commit.
        place = {"id": conversation_id, "now": self._clock()}
        ((seq, now_ms),) = connection.rows(_NEXT_IN_CONVERSATION, place)
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
        return self._database.write(lambda connection: _mark(connection, user, device, wanted), key=wanted.message_id)

    def count(self) -> asyncio.Future[int]:
        """Count the stored messages."""
        return self._database.read(lambda connection: int(connection.rows("SELECT count(*) FROM messages")[0][0]))

    def check(self) -> asyncio.Future[bool]:
        """Prove that a writer answers and the tables are there; raises ``StorageFailed`` when they are not."""
        return self._database.write(lambda connection: connection.row("SELECT 1 FROM messages LIMIT 1") is not None)


def _insert(connection: Connection, message: Message, origin: str) -> None:
    values = {name: getattr(message, name) for name in _NAMES} | {"body": message.body.encode()}
    connection.later(_INSERT, (*values.values(), origin))


def _page(connection: Connection, user: str, wanted: Sync) -> Page:
    cursor, room = int(wanted.cursor or 0), MAX_PAGE_BYTES
    limit = min(wanted.limit, MAX_PAGE)
    items: list[Message] = []
    more = False
    for position, *row in connection.rows(_PAGE, (user, cursor, limit + 1)):
        room -= len(row[_BODY])
        if len(items) == limit or (items and room < 0):
            more = True
            break
        items.append(message_of(tuple(row)))
        cursor = position
    return Page(ref=wanted.ref, items=items, cursor=str(cursor), more=more)


def _mark(connection: Connection, user: str, device: str, wanted: Mark) -> Marked:
    sql = "SELECT sender FROM messages JOIN feed USING (message_id) WHERE message_id = ? AND person = ?"
    row = connection.row(sql, (wanted.message_id, user))
    if row is None:
        raise Refused("unknown_message", "there is no such message for this user")
    sender = row[0]
    if sender == user:
        return Marked(tell={})  # one's own other device has it: that delivers it to nobody
    sql = "INSERT INTO receipts VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    if not connection.run(sql, (wanted.message_id, user, device, wanted.state)):
        return Marked(tell={})
    receipt = Receipt(message_id=wanted.message_id, state=wanted.state, by=user, device=device)
    return Marked(tell=put(connection, [sender], wanted.message_id, receipt))
