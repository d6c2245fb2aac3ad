"""Intervals against sums and tables that are known."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checks.intervals import TAIL, below, least_samples, quantile_rank, quantile_ranks, share_interval


@pytest.mark.parametrize(
    ("successes", "samples", "low", "high"),
    [(7, 10, 0.3475, 0.9333), (0, 60, 0.0, 0.0596), (60, 60, 0.9404, 1.0), (1, 2, 0.0126, 0.9874)],
)
def test_the_interval_of_a_share_is_the_exact_one(successes: int, samples: int, low: float, high: float) -> None:
    """As printed in tables of Clopper and Pearson."""
    assert share_interval(successes, samples) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("successes", "samples"), [(0, 0), (3, 2), (-1, 2)])
def test_a_share_of_nothing_is_refused(successes: int, samples: int) -> None:
    """There is no share without samples."""
    with pytest.raises(ValueError, match="at least one sample"):
        share_interval(successes, samples)


@pytest.mark.parametrize(
    ("quantile", "samples", "ranks"),
    [
        (0.95, 100, (90, 100)),
        (0.95, 1000, (936, 964)),
        (0.5, 100, (40, 61)),
        (0.95, 71, (63, None)),
        (0.95, 72, (64, 72)),
        (0.5, 5, (None, None)),
        (0.95, 1, (None, None)),
    ],
)
def test_a_quantile_lies_between_two_ranks(quantile: float, samples: int, ranks: tuple[int | None, int | None]) -> None:
    """A side that too few samples cannot bound has no rank."""
    assert quantile_ranks(quantile, samples) == ranks


def test_it_is_told_how_many_samples_bound_a_quantile() -> None:
    """One fewer is too few."""
    assert [least_samples(quantile) for quantile in (0.5, 0.95, 0.99)] == [6, 72, 368]
    assert quantile_ranks(0.95, least_samples(0.95))[1] is not None


@pytest.mark.parametrize(("quantile", "samples", "rank"), [(0.5, 1, 1), (0.5, 4, 2), (0.95, 20, 19), (0.95, 21, 20)])
def test_a_quantile_is_one_of_the_samples(quantile: float, samples: int, rank: int) -> None:
    """The smallest below or at which that share of them lies."""
    assert quantile_rank(quantile, samples) == rank


@given(samples=st.integers(1, 300), quantile=st.sampled_from([0.05, 0.5, 0.9, 0.95, 0.99]), data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_chance_is_the_sum_of_the_binomial(samples: int, quantile: float, data: st.DataObject) -> None:
    """The continued fraction gives what adding up gives, and the ranks cover what they promise."""
    rank = data.draw(st.integers(0, samples))
    known = sum(comb(samples, k) * quantile**k * (1 - quantile) ** (samples - k) for k in range(rank + 1))
    assert below(rank, quantile, samples) == pytest.approx(known, abs=1e-9)
    low, high = quantile_ranks(quantile, samples)
    assert low is None or below(low - 1, quantile, samples) <= TAIL
    assert high is None or below(high - 1, quantile, samples) >= 1 - TAIL
