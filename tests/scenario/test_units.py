"""Quantities have units, and come back as they went."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.scenario.units import (
    format_duration,
    format_rate,
    parse_duration,
    parse_offset,
    parse_percent,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_duration, "250ms", 0.25),
        (parse_duration, "2s", 2.0),
        (parse_duration, "1.5s", 1.5),
        (parse_duration, "1m", 60.0),
        (parse_duration, "1h", 3600.0),
        (parse_duration, "0s", 0.0),
        (parse_offset, "+1h", 3600.0),
        (parse_offset, "-5m", -300.0),
        (parse_offset, "3s", 3.0),
        (parse_rate, "5/s", 5.0),
        (parse_rate, "30/m", 0.5),
        (parse_rate, "36/h", 0.01),
        (parse_size, "64KiB", 65536),
        (parse_size, "64kB", 64000),
        (parse_size, "1.5MiB", 1572864),
        (parse_size, "7B", 7),
        (parse_percent, "5%", 0.05),
        (parse_percent, "100%", 1.0),
    ],
)
def test_reading(parse: Callable[[object], float], text: str, value: float) -> None:
    """Each unit means what it says."""
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "value", "sentence"),
    [
        (parse_duration, 5, "5 has no unit: a duration is written like 2s or 250ms"),
        (parse_duration, "5", "'5' has no unit: a duration is written like 2s or 250ms"),
        (parse_duration, True, "True is not a duration: write a number and ms, s, m or h, like 2s or 250ms"),
        (parse_duration, None, "nothing is not a duration: write a number and ms, s, m or h, like 2s or 250ms"),
        (parse_duration, "-2s", "'-2s' is not a duration: write a number and ms, s, m or h, like 2s or 250ms"),
        (parse_duration, "2 s", "'2 s' is not a duration: write a number and ms, s, m or h, like 2s or 250ms"),
        (parse_duration, "٢s", "'٢s' is not a duration: write a number and ms, s, m or h, like 2s or 250ms"),
        (parse_duration, "2s\n", "'2s\n' is not a duration: write a number and ms, s, m or h, like 2s or 250ms"),
        (parse_duration, "200h", "'200h' is longer than seven days"),
        (parse_offset, "+-1s", "'+-1s' is not an offset: write a sign, a number and ms, s, m or h, like +1h or -5m"),
        (parse_rate, 5, "5 has no unit: a rate is written like 5/s or 30/m"),
        (
            parse_size,
            "64K",
            "'64K' is not a size: write a number and B, KiB, MiB, GiB, kB, MB or GB, like 64KiB or 1MB",
        ),
        (parse_percent, "101%", "'101%' is more than 100%"),
    ],
)
def test_refusing(parse: Callable[[object], float], value: object, sentence: str) -> None:
    """A bare number, a wrong unit or nonsense is answered with the right form."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse(value)
    assert str(caught.value) == sentence


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.integers(min_value=-7 * 24 * 3600 * 1000, max_value=7 * 24 * 3600 * 1000))
def test_durations_come_back(milliseconds: int) -> None:
    """Formatting and parsing a duration is exact to the microsecond."""
    assert parse_offset(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-6)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.integers(min_value=1, max_value=1_000_000), st.sampled_from(["s", "m", "h"]))
def test_rates_come_back(count: int, unit: str) -> None:
    """Formatting and parsing a rate keeps it."""
    rate = parse_rate(f"{count}/{unit}")
    assert parse_rate(format_rate(rate)) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (1.5, "1.5s"),
        (90, "1.5m"),
        (3600, "1h"),
        (-300, "-5m"),
        (0.0005, "0.5ms"),
        (61, "61s"),
    ],
)
def test_durations_are_written_shortly(seconds: float, text: str) -> None:
    """The unit is the largest that needs no long fraction."""
    assert format_duration(seconds) == text
