"""The SQL of each check against its Python twin over generated histories."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.checks.oracles import Judged
from harness.core.plan import ClientBehaviour
from harness.core.stack import Promises
from harness.testing.blows import strike
from harness.testing.generated import plausible

PROMISED = st.builds(
    Promises,
    order=st.sampled_from(["sender", "conversation"]),
    deliver_within_s=st.sampled_from([0.5, 3.0]),
    idempotency_window_s=st.sampled_from([0.2, math.inf]),
    retention_s=st.sampled_from([30.0, math.inf]),
    push_content=st.just("none"),
    server_time=st.sampled_from([None, "monotonic"]),
)
CLIENTS = st.sampled_from(["outbox", "naive", "none"])
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

HASTY = Promises(
    order="sender",
    deliver_within_s=0.5,
    idempotency_window_s=0.2,
    retention_s=30.0,
    push_content="none",
    server_time=None,
)
"""With these, a refused message that two archives know by different ids came out differently."""

ByBoth = Callable[..., dict[str, Judged]]


def agree(by_both: ByBoth, seed: int, messages: int, blows: int, promises: Promises, client: ClientBehaviour) -> None:
    """Damage a plausible history and compare what both make of it."""
    rng = random.Random(seed)
    by_both(strike(rng, plausible(rng, messages).events(), blows), promises, client)


@given(
    seed=st.integers(0, 2**32), messages=st.integers(1, 8), blows=st.integers(0, 8), promises=PROMISED, client=CLIENTS
)
@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=QUIET)
def test_twins_agree_on_damaged_histories(
    by_both: ByBoth, seed: int, messages: int, blows: int, promises: Promises, client: ClientBehaviour
) -> None:
    """Both definitions of every check find the same violations in histories with planted damage."""
    agree(by_both, seed, messages, blows, promises, client)


@pytest.mark.slow
@pytest.mark.timeout(600)
@given(
    seed=st.integers(0, 2**32), messages=st.integers(1, 14), blows=st.integers(0, 25), promises=PROMISED, client=CLIENTS
)
@example(seed=90009, messages=13, blows=20, promises=HASTY, client="outbox")
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=QUIET)
def test_twins_agree_on_many_damaged_histories(
    by_both: ByBoth, seed: int, messages: int, blows: int, promises: Promises, client: ClientBehaviour
) -> None:
    """The same over many more histories with heavier damage."""
    agree(by_both, seed, messages, blows, promises, client)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_history_without_damage_breaks_no_promise(by_both: ByBoth, promises: Promises, seed: int) -> None:
    """No false alarm: losses, crashes of order and the like come from the damage alone."""
    found = by_both(plausible(random.Random(seed), 10).events(), promises)
    assert {name for name, judged in found.items() if judged.keys} <= {"recovered"}
    assert found["acked_never_lost"].exercised
    assert found["order"].exercised
