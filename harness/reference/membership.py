"""Who is in which group and who has blocked whom: whom a message is for."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable

from harness.reference.database import Database
from harness.reference.frames import Draft, Refused, conversation_between
from harness.reference.storage import Connection, Row

SCHEMA = """
CREATE TABLE IF NOT EXISTS groups (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (
    group_id TEXT NOT NULL, person TEXT NOT NULL, PRIMARY KEY (group_id, person)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (
    blocked TEXT NOT NULL, person TEXT NOT NULL, PRIMARY KEY (blocked, person)
) STRICT, WITHOUT ROWID;
"""


class Membership:
    """Groups that people make, join and leave, and the people that they block."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, members: Collection[str]) -> str:
        """Make a group and return its id; raises ``Refused`` when one of the members does not exist."""
        group = f"g:{secrets.token_hex(8)}"

        def insert(connection: Connection) -> None:
            for member in members:
                require_user(connection, member)
            connection.later("INSERT INTO groups VALUES (?)", (group,))
            for member in members:
                connection.later("INSERT INTO members VALUES (?, ?)", (group, member))

        await self._database.write(insert)
        return group

    async def join(self, user: str, group: str) -> None:
        """Make a person a member, from the next message on; raises ``Refused`` when there is no such group."""
        await self._change(group, "INSERT INTO members VALUES (?, ?) ON CONFLICT DO NOTHING", user)

    async def leave(self, user: str, group: str) -> None:
        """End a person's membership; what was sent until now stays theirs."""
        await self._change(group, "DELETE FROM members WHERE group_id = ? AND person = ?", user)

    async def _change(self, group: str, sql: str, user: str) -> None:
        def change(connection: Connection) -> None:
            if connection.row("SELECT 1 FROM groups WHERE id = ?", (group,)) is None:
                raise Refused("unknown_group", "there is no such group")
            connection.later(sql, (group, user))

        await self._database.write(change)

    async def block(self, user: str, blocked: str) -> None:
        """Keep what ``blocked`` sends from now on away from ``user``; raises ``Refused`` when there is no such user."""
        await self._mark(blocked, "INSERT INTO blocks VALUES (?, ?) ON CONFLICT DO NOTHING", user)

    async def unblock(self, user: str, blocked: str) -> None:
        """Take a block back; what was sent meanwhile stays away."""
        await self._mark(blocked, "DELETE FROM blocks WHERE blocked = ? AND person = ?", user)

    async def _mark(self, blocked: str, sql: str, user: str) -> None:
        def mark(connection: Connection) -> None:
            require_user(connection, blocked)
            connection.later(sql, (blocked, user))

        await self._database.write(mark)


class Audience:
    """Tells inside the transaction that stores a message whom it is for."""

    def of(self, connection: Connection, sender: str, draft: Draft) -> frozenset[str]:
        """Return everybody who is to see a message, its sender included; raises ``Refused`` when it cannot be sent."""
        addressed = _addressed(connection, sender, draft)
        return (addressed - self.who_blocked(connection, sender)) | {sender}

    def who_blocked(self, connection: Connection, sender: str) -> frozenset[str]:
        """Return the people who have blocked a sender."""
        return _names(connection.rows("SELECT person FROM blocks WHERE blocked = ?", (sender,)))


def conversation_of(sender: str, draft: Draft) -> str:
    """Return the id of the conversation that a message goes to."""
    return conversation_between(sender, draft.to) if draft.to is not None else str(draft.conversation_id)


def _addressed(connection: Connection, sender: str, draft: Draft) -> frozenset[str]:
    if draft.to is not None:
        require_user(connection, draft.to)
        return frozenset({draft.to})
    members = _names(connection.rows("SELECT person FROM members WHERE group_id = ?", (draft.conversation_id,)))
    if sender not in members:
        raise Refused("not_a_member", "only members write to a group")
    return members


def require_user(connection: Connection, name: str) -> None:
    """Raise ``Refused`` where nobody has this name."""
    if connection.row("SELECT 1 FROM users WHERE name = ?", (name,)) is None:
        raise Refused("unknown_recipient", "there is no such user")


def _names(rows: Iterable[Row]) -> frozenset[str]:
    return frozenset(name for (name,) in rows)
