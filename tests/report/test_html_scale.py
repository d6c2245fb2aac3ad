"""Moments on a drawing."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.report.html.scale import decades, even, lasting, log_share, since, stretched, ticks

SECOND = 10**9


def test_a_millisecond_is_seen_beside_ten_seconds() -> None:
    """Gaps get room by their logarithm: the short one stays visible, the long one does not take all."""
    axis = stretched([0, SECOND // 1000, 10 * SECOND], 0.0, 100.0)
    first, second, third = (axis.x(moment) for moment in (0, SECOND // 1000, 10 * SECOND))
    assert (first, third) == (0.0, 100.0)
    assert 10 < second < 40


@given(st.lists(st.integers(0, 10**13), max_size=40))
def test_time_never_runs_backwards(moments: list[int]) -> None:
    """Whatever happened, later lies further right, inside the edges."""
    axis = stretched(moments, 10.0, 90.0)
    places = [axis.x(moment) for moment in sorted(moments)]
    assert all(10.0 <= place <= 90.0 for place in places)
    assert all(earlier <= later for earlier, later in pairwise(places))


def test_time_runs_evenly_in_the_overview() -> None:
    """Half the time is half the way; what lies outside is held at the edge."""
    axis = even(0, 2 * SECOND, 100.0, 200.0)
    assert [axis.x(moment) for moment in (-5, SECOND, 9 * SECOND)] == [100.0, 150.0, 200.0]


def test_durations_lie_on_a_logarithmic_scale() -> None:
    """Each power of ten takes the same room, and the frame encloses what has to fit."""
    assert decades(10**5, 3 * SECOND) == [10**power for power in range(5, 11)]
    assert log_share(10**7, 10**6, 10**8) == 0.5
    assert (log_share(1, 10**6, 10**8), log_share(10**12, 10**6, 10**8)) == (0.0, 1.0)


def test_ticks_are_round_and_few() -> None:
    """An axis is labelled by round seconds, whatever its length."""
    assert ticks(0, 10 * SECOND, 10) == list(range(11))
    assert ticks(0, 95 * SECOND, 10) == list(range(0, 91, 10))
    assert len(ticks(0, 3600 * SECOND, 10)) <= 11


def test_times_for_people() -> None:
    """Milliseconds below a second; a moment that never came is a dash."""
    assert (lasting(1_500_000), lasting(3 * SECOND)) == ("1.5 ms", "3 s")
    assert (since(0, 1_234_567_890), since(0, None)) == ("1.235 s", "\N{EN DASH}")
