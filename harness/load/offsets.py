"""Another machine's clock against this one's: measured by asking for the time, again and again during a run."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question for the time: when it was asked and answered here, and what the other's clock said in between."""

    asked_ns: int
    theirs_ns: int
    answered_ns: int

    @property
    def offset_ns(self) -> int:
        """Their clock minus ours, if both ways took equally long."""
        return self.theirs_ns - (self.asked_ns + self.answered_ns) // 2

    @property
    def error_ns(self) -> int:
        """By how much that can be wrong: one of the ways may have taken no time."""
        return (self.answered_ns - self.asked_ns + 1) // 2


def best(exchanges: Sequence[Exchange]) -> Exchange:
    """Return the quickest of several exchanges, which says most."""
    return min(exchanges, key=lambda one: one.error_ns)


@dataclass(slots=True)
class Offsets:
    """What is known of another machine's monotonic clock, from measurements in the order of their time."""

    measured: list[Exchange] = field(default_factory=list)

    def add(self, exchanges: Sequence[Exchange]) -> None:
        """Take one measurement, made of several exchanges."""
        self.measured.append(best(exchanges))

    @property
    def error_ns(self) -> int:
        """By how much a converted time can be wrong.

        Clocks run at different speeds and their speeds are corrected: between two measurements the offset is taken to
        lie between the two.
        """
        steps = zip(self.measured, self.measured[1:], strict=False)
        drift_ns = max((abs(after.offset_ns - before.offset_ns) for before, after in steps), default=0)
        return max(one.error_ns for one in self.measured) + drift_ns

    def here(self, theirs_ns: int) -> int:
        """Return the moment of our clock at which theirs said so; between measurements on a straight line."""
        times = [one.theirs_ns for one in self.measured]
        after = bisect_right(times, theirs_ns)
        if after in {0, len(times)}:
            return theirs_ns - self.measured[max(0, after - 1)].offset_ns
        one, other = self.measured[after - 1], self.measured[after]
        share = (theirs_ns - one.theirs_ns) / (other.theirs_ns - one.theirs_ns)
        return theirs_ns - one.offset_ns - round(share * (other.offset_ns - one.offset_ns))
