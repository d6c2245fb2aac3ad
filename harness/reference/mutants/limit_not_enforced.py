"""Looks a person's limit up once: one that is changed later holds only for people who come later."""

from __future__ import annotations

from harness.reference.frames import Limits
from harness.reference.limits import Books, Limiter
from harness.reference.parts import Parts


class RememberedLimits(Limiter):
    """Keeps the limits that were in force at a person's first send."""

    def __init__(self, books: Books) -> None:
        super().__init__(books)
        self._first: dict[str, Limits] = {}

    def limits_of(self, user: str, limits: Limits) -> Limits:
        """Return what was in force when this person was first seen."""
        return self._first.setdefault(user, limits)


PARTS = Parts(limiter=RememberedLimits)
