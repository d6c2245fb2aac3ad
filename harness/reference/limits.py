"""Rate limits of sends: token buckets for each person, and a fair one for all of them together.

Only sends that were let through count; one that was refused costs nothing but its way here. Buckets are asked inside
the transaction that stores a message, where instances that share a database share them too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.reference.frames import Limits, Refused
from harness.reference.storage import Connection

SCHEMA = """
CREATE TABLE IF NOT EXISTS limits (id INTEGER PRIMARY KEY, per_user REAL, overall REAL) STRICT;
CREATE TABLE IF NOT EXISTS buckets (
    kind TEXT NOT NULL, person TEXT NOT NULL, level REAL NOT NULL, seen_s REAL NOT NULL, PRIMARY KEY (kind, person)
) STRICT, WITHOUT ROWID;
"""

IDLE_S = 10.0
"""Who has sent nothing for so long no longer has a share of the overall limit."""
SHARED_OUT = 0.9
"""Part of the overall limit that is shared out; the rest fills the reserve again, from which newcomers are served."""
LEAST_SHARED_BURST = 2.0
_ROUNDING = 1e-9
_UNLIMITED = Limits()


@dataclass(slots=True)
class Bucket:
    """Permits that come back with time, up to a capacity; new ones are full."""

    level: float
    seen_s: float

    def refill(self, now_s: float, rate: float, capacity: float) -> None:
        """Add what came back since the last time, at the rate that is in force now."""
        self.level = min(capacity, self.level + (now_s - self.seen_s) * rate)
        self.seen_s = now_s

    def wait_s(self, wanted: float, rate: float) -> float:
        """Return the seconds until ``wanted`` permits are there; 0 when they are."""
        missing = wanted - self.level
        return missing / rate if missing > _ROUNDING else 0.0


Place = tuple[str, str]
"""A kind of bucket and whose it is."""
POOL: Place = ("pool", "")


def _own(user: str) -> Place:
    return ("own", user)


def _share(user: str) -> Place:
    return ("share", user)


class Books(Protocol):
    """Where limits and buckets are kept."""

    def now_s(self, connection: Connection) -> float:
        """Return the time by which buckets fill."""
        ...

    def limits(self, connection: Connection) -> Limits:
        """Return the limits in force."""
        ...

    def change(self, connection: Connection, limits: Limits) -> None:
        """Put other limits in force."""
        ...

    def bucket(self, connection: Connection, place: Place, now_s: float) -> Bucket:
        """Return a bucket, which nobody else changes before the transaction ends; a new one when there is none."""
        ...

    def keep(self, connection: Connection, place: Place, bucket: Bucket) -> None:
        """Keep what has become of a bucket."""
        ...

    def sharers(self, connection: Connection, user: str, now_s: float) -> int:
        """Count a person and the others who have tried to send in the last ``IDLE_S``."""
        ...


class InMemory:
    """The books of a service that shares nothing."""

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits = limits
        self._now = now
        self._buckets: dict[Place, Bucket] = {}
        self._shares: dict[Place, Bucket] = {}
        self._swept_s = now()

    def now_s(self, _: Connection) -> float:
        """Return this process's time."""
        return self._now()

    def limits(self, _: Connection) -> Limits:
        """Return the limits in force."""
        return self._limits

    def change(self, _: Connection, limits: Limits) -> None:
        """Put other limits in force."""
        self._limits = limits

    def bucket(self, _: Connection, place: Place, now_s: float) -> Bucket:
        """Return a bucket; there is one thread that stores."""
        return self._of(place).get(place) or Bucket(math.inf, now_s)

    def keep(self, _: Connection, place: Place, bucket: Bucket) -> None:
        """Keep what has become of a bucket."""
        self._of(place)[place] = bucket

    def sharers(self, _: Connection, user: str, now_s: float) -> int:
        """Count a person and the shares that are not idle."""
        if now_s - self._swept_s >= 1:
            self._swept_s = now_s
            self._shares = {place: own for place, own in self._shares.items() if now_s - own.seen_s < IDLE_S}
        return len(self._shares.keys() | {_share(user)})

    def _of(self, place: Place) -> dict[Place, Bucket]:
        return self._shares if place[0] == "share" else self._buckets


_READ = "SELECT per_user, overall FROM limits WHERE id = 1"
_START = "INSERT INTO limits VALUES (1, ?, ?) ON CONFLICT DO NOTHING"
_CHANGE = "UPDATE limits SET per_user = ?, overall = ? WHERE id = 1"
# Also locks it: whoever else wants this bucket waits.
_TAKE = """
INSERT INTO buckets VALUES (?, ?, ?, ?) ON CONFLICT (kind, person) DO UPDATE SET level = buckets.level
RETURNING level, seen_s
"""
_KEEP = "UPDATE buckets SET level = ?, seen_s = ? WHERE kind = ? AND person = ?"
_SHARERS = "SELECT count(*) FROM buckets WHERE kind = 'share' AND seen_s > ? AND person <> ?"


class InDatabase:
    """The books of instances that share a database; the limits that it has count more than those of a start."""

    def __init__(self, limits: Limits) -> None:
        self._first = limits

    def now_s(self, connection: Connection) -> float:
        """Return the database's time."""
        return float(connection.rows(f"SELECT {connection.now_ms}")[0][0]) / 1000

    def limits(self, connection: Connection) -> Limits:
        """Return the limits in force."""
        row = connection.row(_READ)
        return Limits(*row) if row else self._first

    def change(self, connection: Connection, limits: Limits) -> None:
        """Put other limits in force, for all instances."""
        connection.later(_START, (limits.per_user, limits.overall))
        connection.run(_CHANGE, (limits.per_user, limits.overall))

    def bucket(self, connection: Connection, place: Place, now_s: float) -> Bucket:
        """Return a bucket and lock it."""
        ((level, seen_s),) = connection.rows(_TAKE, (*place, math.inf, now_s))
        return Bucket(level, min(seen_s, now_s))

    def keep(self, connection: Connection, place: Place, bucket: Bucket) -> None:
        """Keep what has become of a bucket."""
        connection.later(_KEEP, (bucket.level, bucket.seen_s, *place))

    def sharers(self, connection: Connection, user: str, now_s: float) -> int:
        """Count a person and the others with a share that is not idle."""
        return 1 + int(connection.rows(_SHARERS, (now_s - IDLE_S, user))[0][0])


class Limiter:
    """Lets a send through, or refuses it and tells when to come back."""

    def __init__(self, books: Books) -> None:
        self.books = books

    def admit(self, connection: Connection, user: str) -> None:
        """Count a send of ``user``; raises ``Refused`` with the time to wait when a limit is reached."""
        limits = self.limits_of(user, self.books.limits(connection))
        if limits == _UNLIMITED:
            return
        asked = _Asked(self.books, connection, user)
        wait_s = 0.0
        if limits.per_user is not None:
            wait_s = asked.own_wait_s(limits.per_user)
        if limits.overall is not None:
            wait_s = max(wait_s, asked.shared_wait_s(limits.overall))
        asked.settle(taken=not wait_s)
        if wait_s:
            raise Refused("rate_limited", "too many messages: wait and try again", math.ceil(wait_s * 1000))

    def limits_of(self, user: str, limits: Limits) -> Limits:  # noqa: ARG002 - everybody has the same
        """Return the limits in force for a person."""
        return limits


class _Asked:
    """One send that asks for permits."""

    def __init__(self, books: Books, connection: Connection, user: str) -> None:
        self._books = books
        self._connection = connection
        self._user = user
        self._now_s = books.now_s(connection)
        self._buckets: dict[Place, Bucket] = {}

    def own_wait_s(self, rate: float) -> float:
        """Return the seconds until this person may send; a bucket holds a second's worth, and at least one."""
        bucket = self._bucket(_own(self._user))
        bucket.refill(self._now_s, rate, max(1.0, rate))
        return bucket.wait_s(1, rate)

    def shared_wait_s(self, rate: float) -> float:
        """Return the seconds until there is room for this person.

        The lower half of everybody's bucket is kept for people who stay within their fair share.
        """
        own = self._bucket(_share(self._user))
        share = SHARED_OUT * rate / self._books.sharers(self._connection, self._user, self._now_s)
        own.refill(self._now_s, share, max(1.0, share))
        pool, capacity = self._bucket(POOL), max(LEAST_SHARED_BURST, rate)
        pool.refill(self._now_s, rate, capacity)
        within_share_s = own.wait_s(1, share)
        reserved = capacity / 2 if within_share_s else 0.0
        if not pool.wait_s(1 + reserved, rate):
            return 0.0
        return within_share_s or 1 / share

    def settle(self, *, taken: bool) -> None:
        """Keep the buckets, without the permits of a send that was let through."""
        for place, bucket in self._buckets.items():
            if taken:
                bucket.level = bucket.level - 1 if place == POOL else max(0.0, bucket.level - 1)
            self._books.keep(self._connection, place, bucket)

    def _bucket(self, place: Place) -> Bucket:
        return self._buckets.setdefault(place, self._books.bucket(self._connection, place, self._now_s))
