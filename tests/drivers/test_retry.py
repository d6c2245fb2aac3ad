"""The retry rules of a correct client, for every draw of chance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.retry import RetryPolicy, is_final

attempts = st.integers(1, 10_000)
draws = st.floats(0, 1)
policies = st.builds(
    RetryPolicy, base_ms=st.integers(1, 1000), cap_ms=st.integers(1000, 60_000), floor_ms=st.integers(0, 500)
)


@given(policies, attempts, draws)
def test_a_wait_stays_between_floor_and_cap(policy: RetryPolicy, attempt: int, draw: float) -> None:
    """However often it failed, a client neither hammers nor falls asleep."""
    assert policy.floor_ms <= policy.delay_ms(attempt, draw=draw) <= policy.cap_ms


@given(policies, attempts, draws)
def test_waits_grow(policy: RetryPolicy, attempt: int, draw: float) -> None:
    """The same draw never waits less after one more failure."""
    assert policy.delay_ms(attempt + 1, draw=draw) >= policy.delay_ms(attempt, draw=draw)


@given(policies, attempts, draws, st.integers(0, 3_600_000))
def test_what_the_service_asks_for_is_the_least(
    policy: RetryPolicy, attempt: int, draw: float, retry_after_ms: int
) -> None:
    """Retry-After is obeyed and the jitter comes on top, or all clients would return in the same instant."""
    asked = policy.delay_ms(attempt, draw=draw, retry_after_ms=retry_after_ms)
    assert asked == retry_after_ms + policy.delay_ms(attempt, draw=draw)


@given(policies, attempts)
def test_the_jitter_is_full(policy: RetryPolicy, attempt: int) -> None:
    """Chance decides over the whole range from the floor to the ceiling."""
    assert policy.delay_ms(attempt, draw=0) == policy.floor_ms
    assert policy.delay_ms(attempt, draw=1) == policy.ceiling_ms(attempt)


@pytest.mark.parametrize("status", [None, 401, 408, 429, 500, 503])
def test_what_may_change_is_tried_again(status: int | None) -> None:
    """No connection, no valid login, too many requests and a sick service are no last words."""
    assert not is_final(status)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 422])
def test_what_will_not_change_is_final(status: int) -> None:
    """A wrong request stays wrong."""
    assert is_final(status)
