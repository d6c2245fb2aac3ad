"""From moments to places on a drawing."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

_SAME_NS = 50_000
_DECADE = 1.2
_MILLISECOND_NS = 1e6
_SECOND_NS = 1e9

NEVER = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Where moments of the monotonic clock lie between the left and the right edge; ``stops`` are known places."""

    stops: tuple[tuple[int, float], ...]

    def x(self, moment_ns: int) -> float:
        """Return the place of a moment; between two stops time runs evenly, outside it stands still."""
        if moment_ns <= self.stops[0][0]:
            return self.stops[0][1]
        if moment_ns >= self.stops[-1][0]:
            return self.stops[-1][1]
        index = bisect_right(self.stops, (moment_ns, math.inf))
        (from_ns, left), (to_ns, right) = self.stops[index - 1], self.stops[index]
        return left + (right - left) * (moment_ns - from_ns) / (to_ns - from_ns)


def even(from_ns: int, to_ns: int, left: float, right: float) -> TimeAxis:
    """Return an axis on which time runs evenly."""
    return TimeAxis(((from_ns, left), (max(to_ns, from_ns + 1), right)))


def stretched(moments: Iterable[int], left: float, right: float) -> TimeAxis:
    """Return an axis that gives each gap between two moments room by its logarithm.

    What happens within a millisecond stays apart, and a wait of ten seconds does not push it off the page.
    """
    stops = _apart(sorted(set(moments)) or [0])
    if len(stops) == 1:
        stops.append(stops[0] + 1)
    gaps = [_room(later - earlier) for earlier, later in pairwise(stops)]
    unit = (right - left) / sum(gaps)
    places = [left]
    for gap in gaps:
        places.append(min(places[-1] + gap * unit, right))
    places[-1] = right
    return TimeAxis(tuple(zip(stops, places, strict=True)))


def decades(smallest_ns: int, largest_ns: int) -> list[int]:
    """Return the powers of ten of a second, in nanoseconds, that frame a span of durations."""
    low = math.floor(math.log10(max(smallest_ns, 1)))
    high = math.ceil(math.log10(max(largest_ns, smallest_ns, 1)))
    return [10**power for power in range(low, max(high, low + 1) + 1)]


def log_share(duration_ns: float, smallest_ns: int, largest_ns: int) -> float:
    """Return where a duration lies on a logarithmic scale: 0 at the smallest, 1 at the largest."""
    inside = min(max(duration_ns, smallest_ns), largest_ns)
    return math.log(inside / smallest_ns) / math.log(largest_ns / smallest_ns)


def ticks(from_ns: int, to_ns: int, at_most: int = 10) -> list[float]:
    """Return round numbers of seconds between 0 and the length of a span."""
    length_s = (to_ns - from_ns) / 1e9
    rough = max(length_s / at_most, 1e-3)
    base = 10 ** math.floor(math.log10(rough))
    step = next(base * factor for factor in (1, 2, 5, 10) if base * factor >= rough)
    return [index * step for index in range(int(length_s / step) + 1)]


def lasting(duration_ns: float) -> str:
    """Return a duration for people: 12 ms, 1.5 s."""
    if duration_ns < _SECOND_NS:
        return f"{duration_ns / _MILLISECOND_NS:.3g} ms"
    return f"{duration_ns / _SECOND_NS:.4g} s"


def since(origin_ns: int, moment_ns: int | None) -> str:
    """Return a moment as seconds since the start of the run; a dash when there is none."""
    return NEVER if moment_ns is None else f"{(moment_ns - origin_ns) / 1e9:.3f} s"


def _apart(moments: list[int]) -> list[int]:
    kept = [moments[0]]
    for moment in moments[1:]:
        if moment - kept[-1] >= _SAME_NS:
            kept.append(moment)
    return kept


def _room(gap_ns: int) -> float:
    return 1 + _DECADE * math.log10(1 + gap_ns / _MILLISECOND_NS)
