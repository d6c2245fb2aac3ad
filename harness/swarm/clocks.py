"""What time a simulated device believes it is."""

from __future__ import annotations

from harness.core.clock import Clock

NS_PER_S = 1_000_000_000


class DeviceClock:
    """The host's clocks with the wall clock moved by ``offset_s`` seconds; the monotonic clock is nobody's to move."""

    def __init__(self, host: Clock) -> None:
        self.offset_s = 0.0
        self._host = host

    def mono_ns(self) -> int:
        """Nanoseconds of the host's monotonic clock."""
        return self._host.mono_ns()

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch, as this device believes them."""
        return self._host.wall_ns() + round(self.offset_s * NS_PER_S)
