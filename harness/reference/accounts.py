"""People and their passwords."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets

from harness.reference.database import Database
from harness.reference.frames import Credentials, Refused, Registration
from harness.reference.storage import Connection

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY, salt BLOB NOT NULL, password BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""


class Accounts:
    """Registration and the check of passwords, which are stored hashed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, wanted: Registration) -> None:
        """Make an account; raises ``Refused`` when the name is taken."""
        salt = secrets.token_bytes(16)
        password = await asyncio.to_thread(_hash, wanted.password, salt)

        def insert(connection: Connection) -> None:
            if connection.row("SELECT 1 FROM users WHERE name = ?", (wanted.user,)):
                raise Refused("user_exists", "this name is taken")
            connection.later("INSERT INTO users VALUES (?, ?, ?)", (wanted.user, salt, password))

        await self._database.write(insert)

    async def check(self, credentials: Credentials) -> None:
        """Raise ``Refused`` for a wrong password, and the same for an unknown name."""
        row = await self._database.read(
            lambda connection: connection.row("SELECT salt, password FROM users WHERE name = ?", (credentials.user,))
        )
        if row is None or not hmac.compare_digest(await asyncio.to_thread(_hash, credentials.password, row[0]), row[1]):
            raise Refused("bad_credentials", "unknown user or wrong password")


def _hash(password: str, salt: bytes) -> bytes:
    # A low cost on purpose: the accounts are made up and thousands of them log in at once.
    return hashlib.scrypt(password.encode(), salt=salt, n=256, r=8, p=1)
