"""People, their passwords and the tokens of their devices."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Any

from harness.reference.clock import Clock
from harness.reference.database import Database
from harness.reference.frames import Credentials, Refused, Registration

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY, salt BLOB NOT NULL, password BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (
    digest BLOB PRIMARY KEY, user TEXT NOT NULL, device TEXT NOT NULL, expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tokens_by_expiry ON tokens (expires_ms);
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a token stands for, and until when (milliseconds since the epoch)."""

    user: str
    device: str
    expires_ms: int


class Accounts:
    """Registration, login and the check of tokens; passwords and tokens are stored hashed."""

    def __init__(self, database: Database, clock: Clock, token_ttl_s: int) -> None:
        self._database = database
        self._clock = clock
        self.token_ttl_s = token_ttl_s

    async def register(self, wanted: Registration) -> None:
        """Make an account; raises ``Refused`` when the name is taken."""
        salt = secrets.token_bytes(16)
        password = await asyncio.to_thread(_hash, wanted.password, salt)

        def insert(connection: sqlite3.Connection) -> None:
            if _row(connection, "SELECT 1 FROM users WHERE name = ?", wanted.user):
                raise Refused("user_exists", "this name is taken")
            connection.execute("INSERT INTO users VALUES (?, ?, ?)", (wanted.user, salt, password))

        await self._database.write(insert)

    async def login(self, credentials: Credentials) -> str:
        """Return a new token of the device; raises ``Refused`` for an unknown name as for a wrong password."""
        row = await self._database.read(
            lambda connection: _row(connection, "SELECT salt, password FROM users WHERE name = ?", credentials.user)
        )
        if row is None or not hmac.compare_digest(await asyncio.to_thread(_hash, credentials.password, row[0]), row[1]):
            raise Refused("bad_credentials", "unknown user or wrong password")
        return await self._issue(credentials.user, credentials.device)

    async def _issue(self, user: str, device: str) -> str:
        token = secrets.token_urlsafe(24)
        now_ms = self._clock()

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM tokens WHERE expires_ms <= ?", (now_ms,))
            expires_ms = now_ms + self.token_ttl_s * 1000
            connection.execute("INSERT INTO tokens VALUES (?, ?, ?, ?)", (_digest(token), user, device, expires_ms))

        await self._database.write(insert)
        return token

    async def identify(self, token: str) -> Identity:
        """Return whom a token stands for; raises ``Refused`` when it is unknown or expired."""
        sql = "SELECT user, device, expires_ms FROM tokens WHERE digest = ?"
        row = await self._database.read(lambda connection: _row(connection, sql, _digest(token)))
        if row is None:
            raise Refused("unauthorized", "the token is not known: log in")
        identity = Identity(*row)
        if identity.expires_ms <= self._clock():
            raise Refused("token_expired", "the token has expired: log in again")
        return identity


def _row(connection: sqlite3.Connection, sql: str, value: str | bytes) -> tuple[Any, ...] | None:
    row: tuple[Any, ...] | None = connection.execute(sql, (value,)).fetchone()
    return row


def _hash(password: str, salt: bytes) -> bytes:
    # A low cost on purpose: the accounts are made up and thousands of them log in at once.
    return hashlib.scrypt(password.encode(), salt=salt, n=256, r=8, p=1)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
