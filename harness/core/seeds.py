"""One seed per run, split into independent named streams.

Streams are named so that a new consumer of randomness never shifts the draws of the others: the same seed gives
the same people, bodies and jitter after the harness has grown.
"""

from __future__ import annotations

import hashlib
import random
import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seed:
    """The source of all chance in a run; ``value`` is what is printed and given to ``--seed``."""

    value: int

    def rng(self, *name: str) -> random.Random:
        """Return the random stream of that name; equal seed and name give equal draws."""
        return random.Random(self.number(*name))  # noqa: S311 - reproducibility is wanted, not secrecy

    def number(self, *name: str) -> int:
        """Return a 64-bit number derived from the seed and a name."""
        text = "/".join((str(self.value), *name))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def fresh_seed() -> Seed:
    """Return a seed nobody chose, short enough to be typed again."""
    return Seed(secrets.randbelow(2**31))
