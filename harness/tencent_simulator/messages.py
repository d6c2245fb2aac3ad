"""Messages between two people: stored once, ordered by second and ``MsgSeq``, kept for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.reference.clock import Clock
from harness.reference.database import Database
from harness.reference.storage import Connection
from harness.tencent_simulator.answers import Json

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, low TEXT NOT NULL, high TEXT NOT NULL,
    sender TEXT NOT NULL, recipient TEXT NOT NULL,
    seq INTEGER NOT NULL, random INTEGER NOT NULL, time_s INTEGER NOT NULL,
    until_s INTEGER NOT NULL, for_sender INTEGER NOT NULL, flags INTEGER NOT NULL, peer_read INTEGER NOT NULL,
    custom TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (low, high, time_s, seq, random)
) STRICT;
CREATE INDEX IF NOT EXISTS messages_by_sender ON messages (sender, id);
CREATE INDEX IF NOT EXISTS messages_by_recipient ON messages (recipient, id);
"""
PAGE_BYTES = 13 * 1024
PULLED_AT_ONCE = 200

_FIELDS = "id, sender, recipient, seq, random, time_s, flags, peer_read, custom, body"
_SAME = "low = ? AND high = ? AND time_s = ? AND seq = ? AND random = ?"
_ADD = """
INSERT INTO messages (
    low, high, sender, recipient, seq, random, time_s, until_s, for_sender, custom, body, flags, peer_read
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0) RETURNING id
"""
_ROAM = f"""
SELECT {_FIELDS} FROM messages
WHERE low = ? AND high = ? AND time_s BETWEEN ? AND ? AND (time_s, seq, random) < (?, ?, ?)
  AND until_s > ? AND time_s > ?
ORDER BY time_s DESC, seq DESC, random DESC LIMIT ?
"""  # noqa: S608 - constants
_PULL = f"""
SELECT {_FIELDS} FROM messages
WHERE id > ? AND (recipient = ? OR (sender = ? AND for_sender)) AND until_s > ? AND flags & 8 = 0
ORDER BY id LIMIT ?
"""  # noqa: S608 - constants
_READ = """
UPDATE messages SET peer_read = 1 WHERE recipient = ? AND {which} AND peer_read = 0
RETURNING sender, seq, random, time_s
"""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is stored; ``id`` counts in the order of storing."""

    id: int
    sender: str
    recipient: str
    seq: int
    random: int
    time_s: int
    flags: int
    peer_read: int
    custom: str
    body: str

    @property
    def key(self) -> str:
        """``MsgKey``."""
        return f"{self.seq}_{self.random}_{self.time_s}"

    def item(self) -> Json:
        """The message as an item of ``MsgList``."""
        return {
            "From_Account": self.sender,
            "To_Account": self.recipient,
            "MsgSeq": self.seq,
            "MsgRandom": self.random,
            "MsgTimeStamp": self.time_s,
            "MsgFlagBits": self.flags,
            "IsPeerRead": self.peer_read,
            "MsgKey": self.key,
            "MsgBody": msgspec.Raw(self.body.encode()),
            "CloudCustomData": self.custom,
        }


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that is to be sent; ``life_s`` 0 is for who is online, ``for_sender`` for the sender's devices too."""

    sender: str
    recipient: str
    seq: int
    random: int
    time_s: int
    life_s: int
    for_sender: bool
    pushes: bool
    custom: str
    body: str

    @property
    def pair(self) -> tuple[str, str]:
        """Both ends, whoever of them sends."""
        low, high = sorted((self.sender, self.recipient))
        return low, high

    def message(self, id: int) -> Message:
        """The message that becomes of it."""
        place = (self.seq, self.random, self.time_s)
        return Message(id, self.sender, self.recipient, *place, 0, 0, self.custom, self.body)


@dataclass(frozen=True, slots=True)
class History:
    """A page of two people's history, newest first, and whether nothing lies before it."""

    messages: tuple[Message, ...]
    complete: bool


class Messages:
    """Stores and reads messages."""

    def __init__(self, database: Database, roaming_s: int, clock: Clock) -> None:
        self._database = database
        self._roaming_s = roaming_s
        self._clock = clock

    def add(self, connection: Connection, draft: Draft) -> Message | None:
        """Store a message, inside a transaction; None when one with the same numbers is there, whoever sent it."""
        numbers = (draft.time_s, draft.seq, draft.random)
        if connection.row(f"SELECT 1 FROM messages WHERE {_SAME}", (*draft.pair, *numbers)):  # noqa: S608 - a constant
            return None
        until_s = self._clock() // 1000 + draft.life_s
        place = (draft.seq, draft.random, draft.time_s, until_s, int(draft.for_sender))
        ((stored,),) = connection.rows(
            _ADD, (*draft.pair, draft.sender, draft.recipient, *place, draft.custom, draft.body)
        )
        return draft.message(int(stored))

    async def roam(
        self, pair: Sequence[str], span: tuple[int, int], before: tuple[int, int, int], most: int
    ) -> History:
        """Return the messages of two people in a span of seconds and before a place, newest first, in a page's size."""
        low, high = sorted(pair)
        now_s = self._clock() // 1000
        values = (low, high, *span, *before, now_s, now_s - self._roaming_s, most + 1)
        rows = await self._database.read(lambda connection: connection.rows(_ROAM, values))
        found = [Message(*row) for row in rows]
        page = _fitting(found[:most])
        return History(tuple(page), complete=len(page) == len(found))

    async def pull(self, user: str, after: int) -> tuple[list[Message], bool]:
        """Return what a person got and sent after a place in the order of storing, and whether there is more."""
        values = (after, user, user, self._clock() // 1000, PULLED_AT_ONCE + 1)
        rows = await self._database.read(lambda connection: connection.rows(_PULL, values))
        return [Message(*row) for row in rows[:PULLED_AT_ONCE]], len(rows) > PULLED_AT_ONCE

    async def read(self, reader: str, numbers: tuple[int, int, int]) -> list[tuple[str, str]]:
        """Note that one message was read; return its sender and key when that is news."""
        which = "seq = ? AND random = ? AND time_s = ?"
        return await self._mark(_READ.format(which=which), (reader, *numbers))

    async def read_until(self, reader: str, peer: str, until_s: int) -> list[tuple[str, str]]:
        """Note that everything from somebody until a second was read; return what is news of it."""
        return await self._mark(_READ.format(which="sender = ? AND time_s <= ?"), (reader, peer, until_s))

    async def _mark(self, sql: str, values: Sequence[Any]) -> list[tuple[str, str]]:
        rows = await self._database.write(lambda connection: connection.rows(sql, values))
        return [(sender, f"{seq}_{random}_{time_s}") for sender, seq, random, time_s in rows]

    async def recall(self, sender: str, recipient: str, numbers: tuple[int, int, int]) -> bool:
        """Mark a message as taken back; False when there is none."""
        sql = "UPDATE messages SET flags = flags | 8 WHERE sender = ? AND recipient = ?"
        sql += " AND seq = ? AND random = ? AND time_s = ?"
        values = (sender, recipient, *numbers)
        return bool(await self._database.write(lambda connection: connection.run(sql, values)))

    async def count(self) -> int:
        """Count the messages on disk."""
        rows = await self._database.read(lambda connection: connection.rows("SELECT count(*) FROM messages"))
        return int(rows[0][0])


def _fitting(messages: Sequence[Message]) -> list[Message]:
    """As many as go into a page, and at least one."""
    size, page = 0, list[Message]()
    for message in messages:
        size += len(msgspec.json.encode(message.item()))
        if page and size > PAGE_BYTES:
            break
        page.append(message)
    return page


def numbers_of(key: str) -> tuple[int, int, int] | None:
    """Return ``MsgSeq``, ``MsgRandom`` and the second of a ``MsgKey``, None when it is none."""
    parts = key.split("_")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):  # noqa: PLR2004 - as in MsgKey
        return None
    seq, random, time_s = map(int, parts)
    return seq, random, time_s
