"""Releases in their order."""

from __future__ import annotations

import pytest

from harness.core.versions import VersionRange, older


@pytest.mark.parametrize(
    ("version", "other", "expected"),
    [("1.80", "1.163.2", True), ("1.163.2", "1.80", False), ("1.2", "1.2.0", False), ("0.12.3", "0.12.10", True)],
)
def test_numbers_are_compared_as_numbers(version: str, other: str, *, expected: bool) -> None:
    """Not as texts, and a missing number is a zero."""
    assert older(version, other) is expected


@pytest.mark.parametrize(
    ("text", "version", "inside"),
    [
        (">=1.80, <1.164", "1.163.2", True),
        (">=1.80, <1.164", "1.80.0", True),
        (">=1.80, <1.164", "1.164.0", False),
        (">=1.80, <1.164", "1.9", False),
        ("==1.163.2", "1.163.2", True),
        ("==1.163.2", "1.163.1", False),
        (">1.21.2", "1.21.2", False),
        ("<=1.21.2", "1.21.2", True),
        ("<2", "nightly", False),
    ],
)
def test_a_range_is_all_of_its_clauses(text: str, version: str, *, inside: bool) -> None:
    """What has no number is in no range."""
    assert (version in VersionRange.parse(text)) is inside


@pytest.mark.parametrize("text", ["", "1.80", ">=", "~1.80", ">=1.80 <2", ">=1.80,"])
def test_what_is_no_range_is_refused(text: str) -> None:
    """A clause has a comparison and a version, and a comma parts two of them."""
    with pytest.raises(ValueError, match="no range of versions"):
        VersionRange.parse(text)
