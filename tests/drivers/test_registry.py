"""Drivers by name."""

from __future__ import annotations

import pytest

from harness.core.errors import UsageError
from harness.drivers.registry import driver, kinds


@pytest.mark.parametrize(
    ("kind", "options"), [("reference", {}), ("matrix", {"server_name": "chat.example", "registration_secret": "s"})]
)
def test_a_known_driver_says_of_what_kind_it_is(kind: str, options: dict[str, str]) -> None:
    """A driver is listed under the name that it gives itself."""
    assert kind in kinds()
    assert driver(kind, options).kind == kind


@pytest.mark.parametrize("kind", ["matrix", "stdio", "websocket"])
def test_a_driver_that_needs_an_option_says_so(kind: str) -> None:
    """What is missing is named instead of guessed."""
    with pytest.raises(UsageError, match=f"driver '{kind}' needs"):
        driver(kind, {})


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
