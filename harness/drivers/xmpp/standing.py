"""How the devices of a driver go about it, and what of a device outlives its connections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from harness.drivers.xmpp.counters import Counters

IN_A_GROUP = ""
"""Stands for whoever wrote a message of a group: nobody is told of it (XEP-0184, 5.3)."""


@dataclass(frozen=True, slots=True)
class Manners:
    """Signs of life, whether devices acknowledge, who sends pushes, who keeps rooms."""

    domain: str
    ping_s: float = 2.0
    acknowledges: bool = True
    push_service: str | None = None
    rooms: str | None = None


@dataclass(slots=True)
class Standing:
    """What outlives a connection: the counters of a stream that may be resumed, and what was confirmed meanwhile.

    ``attempts`` are the messages, by the name of each attempt; ``confirmed`` has those attempts, by message, whose
    acknowledgement came when nobody waited for it any more. ``authors`` says whom word of a message goes to, which may
    be owed by a later session than the one that read it. ``numbers`` name requests: a stream that is resumed brings the
    answers to those of the session before, which must not be taken for answers to other requests. ``announced`` says
    whether the server has heard that the device is there: a stream that broke off before can be resumed, and brings no
    messages.
    """

    counters: Counters = field(default_factory=Counters)
    attempts: dict[str, str] = field(default_factory=dict)
    confirmed: dict[str, str] = field(default_factory=dict)
    authors: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    bindings: int = 0
    resumed: bool = False
    announced: bool = False

    def confirm(self, name: str) -> None:
        """Take note that the server has handled an attempt of which nobody was told yet."""
        if name in self.attempts:
            self.confirmed.setdefault(self.attempts[name], name)
