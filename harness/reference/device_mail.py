"""Messages to single devices: each is kept until its device has said that it is there.

It is handed out once on a connection, and again on the next one while the device has said nothing. What was confirmed
stays as the memory of its send, so that a repeated one makes no second message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from harness.reference.database import Database
from harness.reference.frames import Confirm, DeviceDraft, DeviceMessage, check_content, encode
from harness.reference.membership import require_user
from harness.reference.sessions import Key, Session, Sessions
from harness.reference.storage import Connection

SCHEMA = """
CREATE TABLE IF NOT EXISTS device_mail (
    position INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT NOT NULL, id TEXT NOT NULL,
    person TEXT NOT NULL, device TEXT NOT NULL, body BLOB NOT NULL, confirmed INTEGER NOT NULL,
    UNIQUE (sender, id)
) STRICT;
CREATE INDEX IF NOT EXISTS device_mail_left ON device_mail (person, device) WHERE confirmed = 0;
"""

_PUT = """
INSERT INTO device_mail (sender, id, person, device, body, confirmed) VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING
"""
_LEFT = "SELECT person, device, id, sender, body FROM device_mail WHERE confirmed = 0"
_CONFIRM = "UPDATE device_mail SET confirmed = 1 WHERE person = ? AND device = ? AND sender = ? AND id = ?"

Mail = Sequence[tuple[Key, DeviceMessage]]


class DeviceMail:
    """Stores messages to devices and hands them to those that are connected here."""

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self.database = database
        self._sessions = sessions

    async def put(self, sender: str, draft: DeviceDraft) -> bool:
        """Store a message to a device, unless the same send did before; raises ``Refused`` for what cannot be."""
        check_content(draft.body, "text")

        def insert(connection: Connection) -> int:
            require_user(connection, draft.to)
            return connection.run(_PUT, (sender, draft.id, draft.to, draft.device, draft.body.encode()))

        fresh = bool(await self.database.write(insert, key=sender))
        if fresh:
            message = DeviceMessage(id=draft.id, sender=sender, body=draft.body)
            self._hand_out([((draft.to, draft.device), message)])
        return fresh

    async def open(self, session: Session) -> None:
        """Hand a device that has just connected what is left for it; raises ``StorageFailed``."""
        self._hand_out(await self._left(" AND person = ? AND device = ?", session.key))

    async def look_up(self) -> None:
        """Hand out what other instances have stored; raises ``StorageFailed``."""
        self._hand_out(await self._left())

    def confirm(self, key: Key, wanted: Confirm) -> asyncio.Future[int]:
        """Take the device's word that a message is there: it is handed out no more."""
        values = (*key, wanted.sender, wanted.id)
        return self.database.write(lambda connection: connection.run(_CONFIRM, values), key=wanted.sender)

    def handed_out(self, key: Key, message: DeviceMessage) -> None:
        """Take note that a message is on its way to a device: it stays until the device has confirmed it."""

    def _left(self, where: str = "", values: Sequence[str] = ()) -> asyncio.Future[Mail]:
        def read(connection: Connection) -> Mail:
            rows = connection.rows(f"{_LEFT}{where} ORDER BY position", values)
            return [
                ((person, device), DeviceMessage(id=name, sender=sender, body=body.decode()))
                for person, device, name, sender, body in rows
            ]

        return self.database.read(read)

    def _hand_out(self, mail: Mail) -> None:
        for key, message in mail:
            session = self._sessions.at(key)
            if session is not None and (message.sender, message.id) not in session.handed:
                session.handed.add((message.sender, message.id))
                session.push(encode(message))
                self.handed_out(key, message)
