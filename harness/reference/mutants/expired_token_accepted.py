"""Checks a token at its first use only, and lets live connections be."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from harness.reference.clock import Clock
from harness.reference.database import Database
from harness.reference.parts import Parts
from harness.reference.storage import Connection
from harness.reference.tokens import Ended, Identity, Tokens

NEVER_MS = 2**53


class CachedTokens(Tokens):
    """Remembers whose a token was, to save a query for each request, and never asks again."""

    def __init__(self, database: Database, clock: Clock, ttl_s: int, on_ended: Ended, tell: Ended) -> None:
        super().__init__(database, clock, ttl_s, on_ended, tell)
        self._known: dict[str, Identity] = {}

    async def identify(self, token: str) -> Identity:
        """Return whom a token stands for, or stood for once."""
        if token not in self._known:
            self._known[token] = replace(await super().identify(token), expires_ms=NEVER_MS)
        return self._known[token]

    def verify(self, connection: Connection, identity: Identity) -> None:
        """Save the query here too."""

    def ended(self, user: str, digests: Collection[bytes], how: str) -> None:
        """Leave it to the next login to notice."""


PARTS = Parts(tokens=CachedTokens)
