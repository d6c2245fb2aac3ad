"""Drivers by name."""

from __future__ import annotations

import pytest

from harness.core.errors import UsageError
from harness.drivers.registry import driver, kinds


def test_every_known_driver_can_be_made() -> None:
    """A driver that is listed under a name says that it is of that kind."""
    assert [driver(kind, {}).kind for kind in kinds()] == list(kinds())


def test_a_mistyped_driver_is_told_with_the_likely_one() -> None:
    """A typing mistake gets an answer, not a list to search."""
    with pytest.raises(UsageError, match="did you mean 'reference'"):
        driver("refrence", {})


def test_an_unknown_driver_is_told_with_those_that_exist() -> None:
    """Where nothing is similar, all are named."""
    with pytest.raises(UsageError, match="known drivers: "):
        driver("zzz", {})


def test_an_option_that_nobody_reads_is_refused() -> None:
    """A setting without effect would be a silent mistake."""
    with pytest.raises(UsageError, match="takes no option 'colour'"):
        driver("reference", {"colour": "red"})
