"""The SQL of each check against its Python twin over generated histories."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.core.events import Event
from harness.core.stack import Promises
from harness.testing.generated import plausible, strike

PROMISED = st.builds(
    Promises,
    order=st.sampled_from(["sender", "conversation"]),
    deliver_within_s=st.sampled_from([0.5, 3.0]),
    idempotency_window_s=st.sampled_from([0.2, math.inf]),
    retention_s=st.sampled_from([30.0, math.inf]),
)
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

Compare = Callable[[Sequence[Event], Promises], None]


def agree(compare: Compare, seed: int, messages: int, blows: int, promises: Promises) -> None:
    """Damage a plausible history and compare what both make of it."""
    rng = random.Random(seed)
    compare(strike(rng, plausible(rng, messages).events(), blows), promises)


@given(seed=st.integers(0, 2**32), messages=st.integers(1, 8), blows=st.integers(0, 8), promises=PROMISED)
@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=QUIET)
def test_twins_agree_on_damaged_histories(
    compare: Compare, seed: int, messages: int, blows: int, promises: Promises
) -> None:
    """Both definitions of every check find the same violations in histories with planted damage."""
    agree(compare, seed, messages, blows, promises)


@pytest.mark.slow
@pytest.mark.timeout(600)
@given(seed=st.integers(0, 2**32), messages=st.integers(1, 14), blows=st.integers(0, 25), promises=PROMISED)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=QUIET)
def test_twins_agree_on_many_damaged_histories(
    compare: Compare, seed: int, messages: int, blows: int, promises: Promises
) -> None:
    """The same over many more histories with heavier damage."""
    agree(compare, seed, messages, blows, promises)


def test_a_plausible_history_breaks_no_promise(compare: Compare, promises: Promises) -> None:
    """What the generator draws without damage is judged alike, so that damage alone makes the difference."""
    compare(plausible(random.Random(7), 10).events(), promises)
