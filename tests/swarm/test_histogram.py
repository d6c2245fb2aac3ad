"""Times in few numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.swarm.histogram import Histogram, bucket


@pytest.mark.parametrize(("ms", "kept"), [(0.4, 0), (99.4, 99), (147, 150), (3432, 3400), (58760, 59000)])
def test_two_digits_are_kept(ms: float, kept: int) -> None:
    """Few different numbers, whatever the times."""
    assert bucket(ms) == kept


@given(st.lists(st.integers(0, 20), min_size=1))
def test_what_was_written_is_read_back(times: list[int]) -> None:
    """The text of two histograms adds up to the histogram of all times."""
    one, two, both = Histogram(), Histogram(), Histogram()
    for number, ms in enumerate(times):
        (one, two)[number % 2].note(ms)
        both.note(ms)
    assert Histogram.read([one.text(), two.text()]).counts == both.counts


@given(st.lists(st.integers(0, 99), min_size=1), st.sampled_from([0.5, 0.99, 1.0]))
def test_a_percentile_is_the_least_that_enough_do_not_exceed(times: list[int], share: float) -> None:
    """Checked against the definition."""
    found = Histogram()
    for ms in times:
        found.note(ms)
    ordered = sorted(times)
    percentile = found.percentile(share)
    assert percentile in ordered
    assert sum(ms <= percentile for ms in ordered) >= share * len(ordered)
    assert sum(ms < percentile for ms in ordered) < share * len(ordered)


@given(st.lists(st.integers(0, 60_000), max_size=400))
def test_what_is_told_fits_into_an_event_and_flatters_nobody(times: list[int]) -> None:
    """However long a machine was held up, the text stays below a kilobyte, and no percentile becomes less."""
    found = Histogram()
    for ms in times:
        found.note(ms)
    text = found.text()
    assert len(text) < 1000
    told = Histogram.read([text])
    assert len(told) == len(found)
    assert found.percentile(0.99) <= told.percentile(0.99) <= max(found.percentile(0.99) * 1.5, 20)


def test_nothing_has_no_percentile() -> None:
    """An empty second is told as 0."""
    assert (Histogram().percentile(0.99), Histogram().text(), len(Histogram())) == (0, "", 0)
