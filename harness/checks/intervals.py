"""Intervals of 95% that assume nothing about a distribution: for a share, and for a quantile by order statistics."""

from __future__ import annotations

import math
from collections.abc import Callable

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2

_STEPS = 60
_TERMS = 100_000
_TINY = 1e-300
_EXACT = 1e-14


def share_interval(successes: int, samples: int) -> tuple[float, float]:
    """Return the bounds of a share by Clopper and Pearson: never narrower than they should be.

    Raises ``ValueError`` when there are no samples.
    """
    if not 0 <= successes <= samples or samples == 0:
        raise ValueError("a share is of at least one sample")
    low = 0.0 if successes == 0 else _solve(lambda p: _beta(successes, samples - successes + 1, p), TAIL)
    high = 1.0 if successes == samples else _solve(lambda p: _beta(successes + 1, samples - successes, p), 1 - TAIL)
    return low, high


def quantile_ranks(quantile: float, samples: int) -> tuple[int | None, int | None]:
    """Return the ranks (from 1) of the sorted samples between which a quantile lies.

    None at a side where there are too few samples to bound it.
    """
    low = _first(samples, lambda rank: below(rank, quantile, samples) > TAIL)
    high = _first(samples, lambda rank: below(rank, quantile, samples) >= 1 - TAIL)
    return (low or None), (high + 1 if high < samples else None)


def quantile_rank(quantile: float, samples: int) -> int:
    """Return the rank (from 1) of the sample that is the quantile."""
    return max(1, math.ceil(quantile * samples - _EXACT))


def least_samples(quantile: float) -> int:
    """Return how many samples it takes to bound a quantile from above."""
    return math.ceil(math.log(TAIL) / math.log(quantile) - _EXACT)


def below(rank: int, quantile: float, samples: int) -> float:
    """Return the chance that at most ``rank`` of the samples lie below the quantile."""
    if rank >= samples:
        return 1.0
    return _beta(samples - rank, rank + 1, 1 - quantile)


def _first(samples: int, holds: Callable[[int], bool]) -> int:
    """Return the first rank from 0 for which something holds that goes on holding; ``samples`` if there is none."""
    low, high = 0, samples
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _solve(rising: Callable[[float], float], wanted: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return (low + high) / 2


def _beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function, by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(b, a, 1 - x)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(scale) * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    """Evaluate the continued fraction by the method of Lentz, in the form of Thompson and Barnett."""
    value, c, d = 1.0, 1.0, 0.0
    for index in range(_TERMS):
        step = index // 2
        if index == 0:
            term = 1.0
        elif index % 2:
            term = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        else:
            term = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        d = 1 / _away(1 + term * d)
        c = _away(1 + term / c)
        value *= c * d
        if abs(c * d - 1) < _EXACT:
            break
    return value - 1


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
