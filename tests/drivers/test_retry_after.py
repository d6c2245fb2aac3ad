"""How long an answer asks to wait."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.drivers.retry_after import wait_ms

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
DATE = "Sun, 01 Mar 2026 11:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3000),
        ({"retry-after": "0"}, 0),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:05 GMT"}, 5000),
        ({"Retry-After": "Sun, 01 Mar 2026 11:00:05 GMT", "Date": DATE}, 5000),
        ({"Retry-After": "Sun, 01 Mar 2026 11:00:05 GMT", "Date": "yesterday"}, 0),
        ({"Retry-After": "Sunday, 01-Mar-26 12:00:07 GMT"}, 7000),
        ({"Retry-After": "Sun Mar  1 12:00:09 2026"}, 9000),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
    ],
)
def test_both_forms_are_read(headers: dict[str, str], expected: int | None) -> None:
    """Seconds, and dates in the three shapes of RFC 9110, 5.6.7; the past is no wait, what is neither asks nothing."""
    assert wait_ms(httpx2.Headers(headers), NOW) == expected


@given(st.text(), st.text())
def test_no_header_breaks_it(retry_after: str, date: str) -> None:
    """Whatever a server writes there, a number or None comes out."""
    found = wait_ms({"Retry-After": retry_after, "Date": date}, NOW)
    assert found is None or found >= 0
