"""The two counters of stream management (XEP-0198, "Acks"): what each side has handled of the other's.

Stanzas alone count, modulo 2**32. What was not acknowledged is kept by name, so that a resumption can tell what of it
had arrived; it is not sent again from here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.drivers.xmpp.xml import BadStream

_MODULUS = 1 << 32


@dataclass(slots=True)
class Counters:
    """Counts of one stream, which its resumption goes on with; ``id`` is what the server calls it, if it may return."""

    id: str = ""
    received: int = 0
    acknowledged: int = 0
    open: deque[str] = field(default_factory=deque)

    def sent(self, name: str) -> None:
        """Count a stanza of ours."""
        self.open.append(name)

    def handled(self) -> None:
        """Count a stanza of the server's."""
        self.received = (self.received + 1) % _MODULUS

    def acknowledge(self, h: str) -> Sequence[str]:
        """Take the server's ``h``; return the names that it covers anew, in the order in which they were sent.

        Raises ``BadStream`` where it covers what was never sent.
        """
        if not h.isdecimal():
            raise BadStream("bad_acknowledgement")
        covered = (int(h) - self.acknowledged) % _MODULUS
        if covered > len(self.open):
            raise BadStream("acknowledged_too_much")
        self.acknowledged = int(h) % _MODULUS
        return [self.open.popleft() for _ in range(covered)]

    def resumed(self, h: str) -> Sequence[str]:
        """Take the ``h`` of a resumption: what it does not cover never arrived, and is counted no more."""
        covered = self.acknowledge(h)
        self.open.clear()
        return covered
