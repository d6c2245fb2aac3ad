"""Times in few numbers: how many took about how long, small enough to be told every second."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

_FINEST = 100
_STEPS = ((1000, 10), (10_000, 100))
_COARSEST = 1000
_TOLD_STEPS = ((20, 1), (100, 5), (1000, 50), (10_000, 500))
_TOLD_COARSEST = 5000
"""Steps of what is told in an event, whose detail has room for a kilobyte: under a hundred different numbers."""


def bucket(ms: float) -> int:
    """Return whole milliseconds with two significant digits, as Locust keeps them too: 147 is 150, 3432 is 3400."""
    if ms < _FINEST:
        return round(ms)
    step = next((step for below, step in _STEPS if ms < below), _COARSEST)
    return round(ms / step) * step


class Histogram:
    """Counts times by their bucket."""

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: Counter[int] = Counter(counts)
        self.longest_ms = max(self.counts, default=0.0)

    @classmethod
    def read(cls, texts: Iterable[str]) -> Histogram:
        """Add up what ``text`` has written; raises ``ValueError`` for anything else."""
        counts: Counter[int] = Counter()
        for text in texts:
            for part in text.split():
                ms, _, count = part.partition(":")
                counts[int(ms)] += int(count)
        return cls(counts)

    def __len__(self) -> int:
        return self.counts.total()

    def note(self, ms: float) -> None:
        """Count one time."""
        near = bucket(ms)
        self.counts[near] = self.counts.get(near, 0) + 1
        self.longest_ms = max(self.longest_ms, ms)

    def percentile(self, share: float) -> int:
        """Return the bucket that ``share`` (0..1) of the times do not exceed; 0 without any."""
        wanted, seen = math.ceil(share * len(self)), 0
        for ms in sorted(self.counts):
            seen += self.counts[ms]
            if seen >= wanted:
                return ms
        return 0

    def text(self) -> str:
        """Return the counts as ``3:120 4:17``, which ``read`` reads; longer times are rounded up to coarser ones."""
        told: Counter[int] = Counter()
        for ms, count in self.counts.items():
            step = next((step for below, step in _TOLD_STEPS if ms <= below), _TOLD_COARSEST)
            told[math.ceil(ms / step) * step] += count
        return " ".join(f"{ms}:{count}" for ms, count in sorted(told.items()))
