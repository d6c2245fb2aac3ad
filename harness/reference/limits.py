"""Rate limits of sends: token buckets for each person, and a fair one for all of them together.

Only sends that were let through count; one that was refused costs nothing but its way here.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from harness.reference.frames import Limits, Refused

IDLE_S = 10.0
"""Who has sent nothing for so long no longer has a share of the overall limit."""
SHARED_OUT = 0.9
"""Part of the overall limit that is shared out; the rest fills the reserve again, from which newcomers are served."""
LEAST_SHARED_BURST = 2.0
_ROUNDING = 1e-9


class Bucket:
    """Permits that come back with time, up to a capacity; new ones are full."""

    __slots__ = ("level", "seen_s")

    def __init__(self, now_s: float) -> None:
        self.level = math.inf
        self.seen_s = now_s

    def refill(self, now_s: float, rate: float, capacity: float) -> None:
        """Add what came back since the last time, at the rate that is in force now."""
        self.level = min(capacity, self.level + (now_s - self.seen_s) * rate)
        self.seen_s = now_s

    def wait_s(self, wanted: float, rate: float) -> float:
        """Return the seconds until ``wanted`` permits are there; 0 when they are."""
        missing = wanted - self.level
        return missing / rate if missing > _ROUNDING else 0.0


class PerPerson:
    """A bucket for each person; holds a second's worth of sends, and at least one."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def wait_s(self, user: str, rate: float, now_s: float) -> float:
        """Return the seconds until this person may send."""
        bucket = self._buckets.setdefault(user, Bucket(now_s))
        bucket.refill(now_s, rate, max(1.0, rate))
        return bucket.wait_s(1, rate)

    def take(self, user: str) -> None:
        """Take the permit of a send that was let through."""
        self._buckets[user].level -= 1


class Shared:
    """One bucket for everybody, whose lower half is kept for people who stay within their fair share."""

    def __init__(self, now_s: float) -> None:
        self._pool = Bucket(now_s)
        self._shares: dict[str, Bucket] = {}
        self._swept_s = now_s

    def wait_s(self, user: str, rate: float, now_s: float) -> float:
        """Return the seconds until this person may send."""
        self._sweep(now_s)
        own = self._shares.setdefault(user, Bucket(now_s))
        share, capacity = SHARED_OUT * rate / len(self._shares), max(LEAST_SHARED_BURST, rate)
        own.refill(now_s, share, max(1.0, share))
        self._pool.refill(now_s, rate, capacity)
        within_share_s = own.wait_s(1, share)
        reserved = capacity / 2 if within_share_s else 0.0
        if not self._pool.wait_s(1 + reserved, rate):
            return 0.0
        return within_share_s or 1 / share

    def take(self, user: str) -> None:
        """Take the permit of a send that was let through."""
        self._pool.level -= 1
        own = self._shares[user]
        own.level = max(0.0, own.level - 1)

    def _sweep(self, now_s: float) -> None:
        if now_s - self._swept_s >= 1:
            self._swept_s = now_s
            self._shares = {user: own for user, own in self._shares.items() if now_s - own.seen_s < IDLE_S}


class Limiter:
    """Lets a send through, or refuses it and tells when to come back."""

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self.limits = limits
        self._now = now
        self._per_person = PerPerson()
        self._shared = Shared(now())

    def admit(self, user: str) -> None:
        """Count a send of ``user``; raises ``Refused`` with the time to wait when a limit is reached."""
        limits, now_s, wait_s = self.limits_of(user), self._now(), 0.0
        if limits.per_user is not None:
            wait_s = self._per_person.wait_s(user, limits.per_user, now_s)
        if limits.overall is not None:
            wait_s = max(wait_s, self._shared.wait_s(user, limits.overall, now_s))
        if wait_s > 0:
            raise Refused("rate_limited", "too many messages: wait and try again", math.ceil(wait_s * 1000))
        if limits.per_user is not None:
            self._per_person.take(user)
        if limits.overall is not None:
            self._shared.take(user)

    def limits_of(self, user: str) -> Limits:  # noqa: ARG002 - everybody has the same
        """Return the limits in force for a person."""
        return self.limits
