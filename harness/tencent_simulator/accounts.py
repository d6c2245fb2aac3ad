"""Accounts, and which of their UserSigs are good."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from dataclasses import dataclass

from harness.drivers.tencent.usersig import BadUserSig, Key, make, verify
from harness.reference.clock import Clock
from harness.reference.database import Database
from harness.reference.sessions import Sessions
from harness.reference.storage import Connection
from harness.reference.tokens import EXPIRED, REVOKED, Identity
from harness.tencent_simulator.answers import NO_ACCOUNT, Refusal

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    user TEXT PRIMARY KEY, nick TEXT NOT NULL, expired_before_s INTEGER NOT NULL, kicked_before_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""
CODES = {EXPIRED: 70001, REVOKED: 70052}
LONGEST_USER = 32

_CUT = """
INSERT INTO accounts VALUES (?, '', ?, ?) ON CONFLICT (user)
DO UPDATE SET expired_before_s = excluded.expired_before_s, kicked_before_s = excluded.kicked_before_s
"""


@dataclass(slots=True)
class Account:
    """From when on UserSigs have to be, in seconds since the epoch: older ones expired, or were invalidated."""

    expired_before_s: int = 0
    kicked_before_s: int = 0

    def ended(self, time_s: int) -> str | None:
        """Tell how a UserSig made at that second has ended, None when it has not."""
        if time_s < self.expired_before_s:
            return EXPIRED
        return REVOKED if time_s < self.kicked_before_s else None


class Accounts:
    """All accounts; ``administrator`` is there from the start, as in an app's console."""

    def __init__(self, database: Database, key: Key, life_s: int, clock: Clock, sessions: Sessions) -> None:
        self._database = database
        self._key = key
        self._life_s = life_s
        self._clock = clock
        self._sessions = sessions
        self._accounts: dict[str, Account] = {}
        self._seen: dict[str, dict[bytes, tuple[int, int]]] = defaultdict(dict)

    async def load(self, administrators: frozenset[str]) -> None:
        """Read what is on disk."""
        sql = "SELECT user, expired_before_s, kicked_before_s FROM accounts"
        rows = await self._database.read(lambda connection: connection.rows(sql))
        self._accounts = {name: Account() for name in administrators} | {row[0]: Account(*row[1:]) for row in rows}

    def has(self, user: str) -> bool:
        """Tell whether there is such an account."""
        return user in self._accounts

    async def add(self, user: str, nick: str) -> None:
        """Make an account; one that is there already stays as it is. Raises ``Refusal``."""
        if len(user.encode()) > LONGEST_USER:
            raise Refusal(70402, "UserID is too long")

        def insert(connection: Connection) -> None:
            connection.run("INSERT INTO accounts VALUES (?, ?, 0, 0) ON CONFLICT DO NOTHING", (user, nick))

        await self._database.write(insert)
        self._accounts.setdefault(user, Account())

    def identify(self, user: str, device: str, usersig: str) -> Identity:
        """Return whom a UserSig stands for; raises ``Refusal``."""
        try:
            claims = verify(usersig, identifier=user, key=self._key, now_s=self._clock() / 1000)
        except BadUserSig as bad:
            raise Refusal(bad.code, f"UserSig: {bad.code.name.lower()}") from None
        account = self._accounts.get(user)
        if account is None:
            raise Refusal(NO_ACCOUNT, "the account does not exist")
        if how := account.ended(claims.time_s):
            raise Refusal(CODES[how], f"UserSig: {how}")
        digest = hashlib.sha256(usersig.encode()).digest()
        self._seen[user][digest] = (claims.time_s, claims.until_s)
        return Identity(user, device, claims.until_s * 1000, digest)

    def sign(self, user: str) -> str:
        """Return a new UserSig, as the app's server does for a user who has signed in; raises ``Refusal``.

        Right after a kick it is dated a second ahead: a UserSig says no more than the second in which it was made.
        """
        account = self._accounts.get(user)
        if account is None:
            raise Refusal(NO_ACCOUNT, "the account does not exist")
        time_s = max(self._clock() // 1000, account.expired_before_s, account.kicked_before_s)
        return make(user, self._key, time_s=time_s, expire_s=self._life_s)

    @property
    def life_s(self) -> int:
        """How long a new UserSig is good, in seconds."""
        return self._life_s

    def valid(self, user: str) -> int:
        """Count the UserSigs that have been shown and are good now."""
        return len(self._good(user))

    async def end(self, user: str, how: str) -> int:
        """End every UserSig made until now, and the sessions that were opened with them; return how many that were."""
        account = self._accounts.get(user)
        if account is None:
            raise Refusal(NO_ACCOUNT, "the account does not exist")
        ended = self._good(user)
        now_s = math.floor(self._clock() / 1000) + 1
        if how == EXPIRED:
            account.expired_before_s = now_s
        else:
            account.kicked_before_s = now_s
        cuts = (user, account.expired_before_s, account.kicked_before_s)
        await self._database.write(lambda connection: connection.run(_CUT, cuts))
        self._sessions.end(user, ended, how)
        return len(ended)

    def _good(self, user: str) -> set[bytes]:
        account, now_s = self._accounts.get(user, Account()), self._clock() / 1000
        seen = self._seen.get(user, {}).items()
        return {sig for sig, (made_s, until_s) in seen if until_s > now_s and account.ended(made_s) is None}
