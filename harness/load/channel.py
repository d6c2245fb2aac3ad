"""What conductors tell each other over Locust's own channel between master and workers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness import __version__
from harness.load.machine import Machine, this_machine

CHANNEL = "chat_chaos"
"""Message with a command of the master, or with an answer or news of a worker."""
JOIN = "chat_chaos_join"
"""Message by which a worker introduces itself."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Who has joined; ``client`` is Locust's name for it."""

    client: str
    machine: Machine
    pid: int
    version: str

    @classmethod
    def read(cls, client: str, raw: Mapping[str, Any]) -> Joined:
        """Read what ``introduction`` has written."""
        return cls(client, Machine(**raw["machine"]), raw["pid"], raw["version"])


def introduction() -> dict[str, Any]:
    """Return what a worker says of itself."""
    return {"machine": asdict(this_machine()), "pid": os.getpid(), "version": __version__}
