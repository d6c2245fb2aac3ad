"""Totals of a proxy: those of ended connections are kept, those of open ones are added when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.proxy.connection import Connection


@dataclass(slots=True)
class Totals:
    """What a proxy has done since it was made; ``sent`` bytes reached the other side's socket."""

    opened: int = 0
    closed: int = 0
    cut: int = 0
    refused: int = 0
    received_up: int = 0
    received_down: int = 0
    sent_up: int = 0
    sent_down: int = 0
    held: int = 0
    delayed: int = 0

    def add(self, connection: Connection) -> None:
        """Add a connection's bytes."""
        up, down = connection.up, connection.down
        self.received_up += up.received
        self.received_down += down.received
        self.sent_up += up.sent
        self.sent_down += down.sent
        self.held += up.held + down.held
        self.delayed += up.delayed + down.delayed

    def including(self, connections: Iterable[Connection]) -> Totals:
        """Return the totals with open connections added."""
        whole = replace(self)
        for connection in connections:
            whole.add(connection)
        return whole

    def wire(self) -> dict[str, int]:
        """Return the counters as the API shows them."""
        return {
            "opened": self.opened,
            "closed": self.closed,
            "cut": self.cut,
            "refused": self.refused,
            "bytes_up": self.sent_up,
            "bytes_down": self.sent_down,
            "held_bytes": self.held,
            "delayed_bytes": self.delayed,
        }
