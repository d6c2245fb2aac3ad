"""Reads once who has blocked a sender: a block that comes later does not hold."""

from __future__ import annotations

from harness.reference.membership import Audience
from harness.reference.parts import Parts
from harness.reference.storage import Connection


class RememberedBlocks(Audience):
    """Keeps the blocks that were there at a sender's first message."""

    def __init__(self) -> None:
        self._first: dict[str, frozenset[str]] = {}

    def who_blocked(self, connection: Connection, sender: str) -> frozenset[str]:
        """Return the people who had blocked this sender when it was first seen."""
        if sender not in self._first:
            self._first[sender] = super().who_blocked(connection, sender)
        return self._first[sender]


PARTS = Parts(audience=RememberedBlocks)
