"""Tokens of devices: short-lived ones for access, long-lived ones to refresh them, and their end before their time.

A refresh replaces the refresh token, but the old one stays good until one of the new tokens was used: an answer that
was lost on its way locks nobody out, and a stolen refresh token dies as soon as its owner goes on.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from harness.reference.clock import Clock
from harness.reference.database import Database
from harness.reference.frames import Refused
from harness.reference.storage import Connection, Row, places

SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (
    digest BLOB PRIMARY KEY, person TEXT NOT NULL, device TEXT NOT NULL, expires_ms INTEGER NOT NULL,
    ended TEXT, replaces BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tokens_by_expiry ON tokens (expires_ms);
CREATE INDEX IF NOT EXISTS tokens_by_user ON tokens (person);
CREATE TABLE IF NOT EXISTS refresh_tokens (
    digest BLOB PRIMARY KEY, person TEXT NOT NULL, device TEXT NOT NULL, expires_ms INTEGER NOT NULL, replaces BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS refresh_tokens_by_user ON refresh_tokens (person);
"""

REFRESH_TTL_MS = 30 * 24 * 3600 * 1000
REMEMBERED_MS = 24 * 3600 * 1000
"""An expired token is told apart from an unknown one for so long."""

MAX_LOOKED_UP = 500

EXPIRED, REVOKED = "token_expired", "token_revoked"
WHY = {EXPIRED: "the token has expired: refresh it or log in", REVOKED: "the token was revoked: log in"}

_VALID = "person = :user AND ended IS NULL AND expires_ms > :now"
_END = f"UPDATE tokens SET ended = :how WHERE {_VALID} RETURNING digest"  # noqa: S608 - constants

Ended = Callable[[str, Collection[bytes], str], None]
"""Takes the user, the digests of tokens that were good a moment ago, and ``EXPIRED`` or ``REVOKED``."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a token stands for, and until when (milliseconds since the epoch); ``token`` is its digest."""

    user: str
    device: str
    expires_ms: int
    token: bytes


@dataclass(frozen=True, slots=True)
class Pair:
    """A new access token and the refresh token that goes with it."""

    token: str
    refresh_token: str


class Tokens:
    """Issues, refreshes, checks and ends tokens; only their digests are stored."""

    def __init__(self, database: Database, clock: Clock, ttl_s: int, on_ended: Ended, tell: Ended) -> None:
        self._database = database
        self._clock = clock
        self._on_ended = on_ended
        self._tell = tell
        self._ended: dict[bytes, str] = {}
        self.ttl_s = ttl_s

    async def issue(self, user: str, device: str) -> Pair:
        """Return new tokens of a device that has logged in."""
        now_ms = self._clock()

        def insert(connection: Connection) -> Pair:
            connection.later("DELETE FROM tokens WHERE expires_ms <= ?", (now_ms - REMEMBERED_MS,))
            return self._insert(connection, user, device, None)

        return await self._database.write(insert)

    async def refresh(self, refresh_token: str) -> tuple[Identity, Pair]:
        """Return new tokens for a refresh token, and whose they are; raises ``Refused`` when it is no longer good."""
        digest = _digest(refresh_token)

        def replace(connection: Connection) -> tuple[Identity, Pair]:
            sql = "SELECT person, device, expires_ms, replaces FROM refresh_tokens WHERE digest = ?"
            row = connection.row(sql, (digest,))
            if row is None or row[2] <= self._clock():
                raise Refused("refresh_rejected", "the refresh token is unknown, replaced, expired or revoked: log in")
            user, device, expires_ms, replaced = row
            _retire(connection, replaced)
            return Identity(user, device, expires_ms, digest), self._insert(connection, user, device, digest)

        return await self._database.write(replace)

    def _insert(self, connection: Connection, user: str, device: str, replaces: bytes | None) -> Pair:
        pair, now_ms = Pair(secrets.token_urlsafe(24), secrets.token_urlsafe(24)), self._clock()
        access = (_digest(pair.token), user, device, now_ms + self.ttl_s * 1000, replaces)
        connection.later("INSERT INTO tokens VALUES (?, ?, ?, ?, NULL, ?)", access)
        refresh = (_digest(pair.refresh_token), user, device, now_ms + REFRESH_TTL_MS, replaces)
        connection.later("INSERT INTO refresh_tokens VALUES (?, ?, ?, ?, ?)", refresh)
        return pair

    async def identify(self, token: str) -> Identity:
        """Return whom a token stands for; raises ``Refused`` when it is unknown, expired or revoked."""
        digest = _digest(token)
        sql = "SELECT person, device, expires_ms, ended, replaces FROM tokens WHERE digest = ?"
        row = await self._database.read(lambda connection: connection.row(sql, (digest,)))
        if row is None:
            raise Refused("unauthorized", "the token is not known: log in")
        user, device, expires_ms, ended, replaces = row
        if ended is not None:
            raise Refused(ended, WHY[ended])
        identity = Identity(user, device, expires_ms, digest)
        self.check(identity)
        if replaces is not None:
            await self._database.write(lambda connection: _first_use(connection, digest, replaces))
            self.check(identity)
        return identity

    def verify(self, connection: Connection, identity: Identity) -> None:
        """Raise ``Refused`` when a token is no longer good, inside the transaction that it is to allow.

        Whoever has ended the token, through whichever instance, has it end there and then.
        """
        self.check(identity)
        row = connection.row("SELECT ended FROM tokens WHERE digest = ?", (identity.token,))
        if row is not None and row[0] is not None:
            raise Refused(row[0], WHY[row[0]])

    def check(self, identity: Identity) -> None:
        """Raise ``Refused`` when a token that was good has come to its end since."""
        # The memory beside the database closes the gap between a read that found the token good and its answer.
        ended = self._ended.get(identity.token) or (EXPIRED if identity.expires_ms <= self._clock() else None)
        if ended is not None:
            raise Refused(ended, WHY[ended])

    def valid(self, user: str) -> asyncio.Future[int]:
        """Count the user's access tokens that are good now."""
        sql = f"SELECT count(*) FROM tokens WHERE {_VALID}"  # noqa: S608 - a constant
        place = {"user": user, "now": self._clock()}
        return self._database.read(lambda connection: int(connection.rows(sql, place)[0][0]))

    async def expire(self, user: str) -> int:
        """Let the user's access tokens expire now, and return how many; refresh tokens stay good."""
        return await self._end(user, EXPIRED)

    async def revoke(self, user: str) -> int:
        """Revoke the user's access and refresh tokens, and return how many access tokens had been good."""
        return await self._end(user, REVOKED)

    async def _end(self, user: str, how: str) -> int:
        place = {"user": user, "now": self._clock(), "how": how}

        def end(connection: Connection) -> list[bytes]:
            if how == REVOKED:
                connection.later("DELETE FROM refresh_tokens WHERE person = ?", (user,))
            return [digest for (digest,) in connection.rows(_END, place)]

        digests = await self._database.write(end)
        self.ended(user, digests, how)
        self._tell(user, digests, how)
        return len(digests)

    async def look_up(self, digests: Sequence[bytes]) -> None:
        """Let nothing go on with those of some tokens that have come to their end through another instance."""
        for start in range(0, len(digests), MAX_LOOKED_UP):
            some = digests[start : start + MAX_LOOKED_UP]
            sql = f"SELECT digest, person, ended FROM tokens WHERE ended IS NOT NULL AND digest IN ({places(some)})"  # noqa: S608 - placeholders
            for digest, user, how in await self._rows(sql, some):
                self.ended(user, [digest], how)

    def _rows(self, sql: str, values: Sequence[bytes]) -> asyncio.Future[list[Row]]:
        return self._database.read(lambda connection: connection.rows(sql, values))

    def ended(self, user: str, digests: Collection[bytes], how: str) -> None:
        """Let nothing go on with tokens that have just come to their end."""
        self._ended |= dict.fromkeys(digests, how)
        self._on_ended(user, digests, how)


def _first_use(connection: Connection, digest: bytes, replaces: bytes) -> None:
    _retire(connection, replaces)
    connection.later("UPDATE tokens SET replaces = NULL WHERE digest = ?", (digest,))


def _retire(connection: Connection, refresh_digest: bytes | None) -> None:
    connection.later("DELETE FROM refresh_tokens WHERE digest = ?", (refresh_digest,))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
