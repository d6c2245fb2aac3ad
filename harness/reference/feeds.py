"""Each person's feed: the messages that they can see and the receipts of their own, numbered without gaps.

A position is taken under a lock of the person's row which is held until the commit. So whoever sees a position sees all
before it, whatever instance they were stored by: a cursor never passes something that is committed later, and a live
connection that is told of a position after the next one knows what it has missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from harness.reference.database import Database
from harness.reference.frames import Message, Receipt
from harness.reference.sessions import Key
from harness.reference.storage import Connection, Row, places

SCHEMA = """
CREATE TABLE IF NOT EXISTS feeds (person TEXT PRIMARY KEY, length INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS feed (
    person TEXT NOT NULL, position INTEGER NOT NULL, message_id TEXT NOT NULL,
    reader TEXT, device TEXT, state TEXT, PRIMARY KEY (person, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS feed_by_message ON feed (message_id, person);
"""

_NEXT = """
INSERT INTO feeds VALUES (?, 1) ON CONFLICT (person) DO UPDATE SET length = feeds.length + 1 RETURNING person, length
"""
_AFTER = """
SELECT position, reader, device, state, message_id, client_message_id, conversation_id, seq, sender, body,
    server_time_ms, client_time_ms, origin
FROM feed JOIN messages USING (message_id) WHERE feed.person = ? AND position > ? ORDER BY position LIMIT ?
"""
AT_ONCE = 200

Positions = Mapping[str, int]
"""People, and where in their feeds something was put."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a feed: what a live device is sent, and the device that is not, because it comes from there."""

    position: int
    frame: Message | Receipt
    besides: Key | None = None


def put(connection: Connection, people: Collection[str], message_id: str, receipt: Receipt | None = None) -> Positions:
    """Add a message, or a receipt for it, to people's feeds, and return where."""
    # In one order everywhere, so that transactions which wait for each other's people do not do so in a circle.
    order = sorted(people)
    positions: dict[str, int] = dict(connection.rows_of_each(_NEXT, [(person,) for person in order]))
    what = (receipt.by, receipt.device, receipt.state) if receipt else (None, None, None)
    sql = f"INSERT INTO feed SELECT person, length, ?, ?, ?, ? FROM feeds WHERE person IN ({places(order)})"  # noqa: S608 - placeholders
    connection.later(sql, (message_id, *what, *order))
    return positions


class Feeds:
    """Reads feeds for those who follow them live."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def length(self, user: str) -> int:
        """Return the last position of a person's feed; 0 when there is nothing in it."""
        return (await self.lengths([user])).get(user, 0)

    def lengths(self, users: Sequence[str]) -> asyncio.Future[dict[str, int]]:
        """Return the last positions of feeds that are not empty."""
        sql = f"SELECT person, length FROM feeds WHERE person IN ({places(users)})"  # noqa: S608 - placeholders
        return self._database.read(lambda connection: dict(connection.rows(sql, users)))

    def after(self, user: str, position: int) -> asyncio.Future[list[Item]]:
        """Return the next items of a feed, at most ``AT_ONCE``."""
        return self._database.read(
            lambda connection: [_item(row) for row in connection.rows(_AFTER, (user, position, AT_ONCE))]
        )


def message_of(row: Row) -> Message:
    """Return the message of a row of the columns of ``messages``, in their order."""
    message_id, client_message_id, conversation_id, seq, sender, body, server_time_ms, client_time_ms = row
    return Message(
        message_id=message_id,
        client_message_id=client_message_id,
        conversation_id=conversation_id,
        seq=seq,
        sender=sender,
        body=body.decode(),
        server_time_ms=server_time_ms,
        client_time_ms=client_time_ms,
    )


def _item(row: Row) -> Item:
    position, reader, device, state, *columns, origin = row
    message = message_of(tuple(columns))
    if state is None:
        return Item(position, message, (message.sender, origin))
    return Item(position, Receipt(message_id=message.message_id, state=state, by=reader, device=device))
