"""Bounds on service levels in scenario files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.core.plan import ScenarioPlan, SloPlan
from harness.scenario.explain import explain
from harness.scenario.slos import SloModel
from harness.scenario.stackfile import load_stack

Load = Callable[..., list[ScenarioPlan]]


def test_bounds(load: Load, scenario: str) -> None:
    """A bare value is the bound; shares lie between 0 and 1, times are seconds."""
    slo = (
        "{recover_within: 5s, send_success: 99%, acceptance_p95: {max: 500ms, samples: 50}, "
        "push_rejection: {max: 0.5%}, duplication: 0%}"
    )
    (plan,) = load(f"{scenario}expect: {{slo: {slo}}}\n")
    assert plan.recover_within_s == 5.0
    assert plan.slos == (
        SloPlan("send_success", 0.99),
        SloPlan("acceptance_p95", 0.5, 50),
        SloPlan("push_rejection", 0.005),
        SloPlan("duplication", 0.0),
    )
    text = explain(plan, load_stack(plan.stack))
    assert "    send_success at least 99%\n" in text
    assert "    acceptance_p95 at most 500ms over at least 50 samples\n" in text
    assert "    push_rejection at most 0.5%\n" in text


def test_all_of_them() -> None:
    """The service levels of a chat can all be bounded."""
    assert set(SloModel.model_fields) == {
        *("recover_within", "send_success", "acceptance_p50", "acceptance_p95", "online_delivery_p50"),
        *("online_delivery_p95", "offline_sync_success", "push_registration", "push_rejection", "duplication"),
    }


@pytest.mark.parametrize(
    ("slo", "place", "said"),
    [
        ("{send_success: 2s}", "12:30", "'2s' is not a percentage: write a number and %, like 5% or 100%"),
        ("{acceptance_p95: 5%}", "12:32", "'5%' is not a duration: write a number and ms, s, m or h, like 2s or 250ms"),
        ("{acceptance_p95: {min: 1s}}", "12:16", "'max' is missing in expect.slo.acceptance_p95"),
        ("{acceptance_p95: {min: 1s}}", "12:33", "unknown key 'min' in expect.slo.acceptance_p95"),
        ("{acceptance_p95: {max: 1s, samples: 0}}", "12:51", "0 is too small: at least 1"),
        ("{aceptance_p95: 1s}", "12:16", "did you mean 'acceptance_p95'?"),
    ],
)
def test_bounds_that_are_none(complaint: Callable[[str], str], scenario: str, slo: str, place: str, said: str) -> None:
    """A time where a share belongs, a least where a most belongs and an unknown level are told at their place."""
    text = complaint(f"{scenario}expect: {{slo: {slo}}}\n")
    assert f"bad.chaos.yaml:{place}: error" in text
    assert said in text
