"""How many people are to be online when, as Locust wants to be told."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.plan import LoadStep


def target_at(seconds: float, steps: Sequence[LoadStep], people: int) -> tuple[int, float]:
    """Return where the number of people is going to by then, and how fast, in people a second.

    A step that holds goes on with what was before it, so that nothing changes; so does the time after the last step.
    """
    users, speed, began_s = 0, 1.0, 0.0
    for step in steps:
        goal = round(step.share * people)
        if goal != users:
            speed = abs(goal - users) / step.over_s
        users = goal
        began_s += step.over_s
        if seconds < began_s:
            break
    return users, speed


def is_one_ramp(steps: Sequence[LoadStep]) -> bool:
    """Tell whether people come once and stay."""
    return all(step.share == steps[0].share for step in steps)
