"""The seams at which a seeded defect replaces a part of the healthy service."""

from __future__ import annotations

from dataclasses import dataclass

from harness.reference.database import Database
from harness.reference.messages import Deduplication
from harness.reference.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service is put together from; the defaults are the healthy ones."""

    database: type[Database] = Database
    deduplication: type[Deduplication] = Deduplication
    sessions: type[Sessions] = Sessions


PARTS = Parts()
"""The healthy service."""
