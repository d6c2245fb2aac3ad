"""The nth event of a kind among several swarms, none of which sees all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Counting:
    """Watches that wait for their nth event."""

    left: dict[str, int] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    """Watches that somebody else counts: each event is told to whoever asked."""

    def divide(self, command: dict[str, Any], swarms: int) -> dict[str, Any]:
        """Return the command ``watch`` as each of several swarms gets it: told of every event, we count them."""
        if swarms == 1 or command.get("each"):
            self.others.add(command["watch"])
            return command
        self.left[command["watch"]] = command["nth"]
        return {**command, "each": True}

    def is_the_nth(self, watch: str) -> bool:
        """Take one event, and tell whether it is the one that is waited for."""
        if watch not in self.left:
            return False
        self.left[watch] -= 1
        if self.left[watch] > 0:
            return False
        del self.left[watch]
        return True
