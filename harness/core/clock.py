"""Time as a thing that is passed in, so that tests can move it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock for comparing and a wall clock for showing, both in nanoseconds."""

    def mono_ns(self) -> int:
        """Nanoseconds of the host's monotonic clock: one domain for all processes of a host."""
        ...

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch, as this party believes them."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The host's own clocks; ``offset_ns`` moves the wall clock only, as a device's wrong clock does."""

    offset_ns: int = 0

    def mono_ns(self) -> int:
        """Nanoseconds of the host's monotonic clock."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch, moved by ``offset_ns``."""
        return time.time_ns() + self.offset_ns
