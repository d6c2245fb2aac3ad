"""One file, many runs."""

from __future__ import annotations

from collections.abc import Callable

from harness.core.plan import ScenarioPlan

Load = Callable[..., list[ScenarioPlan]]
Change = Callable[[str, str], str]
Complain = Callable[..., str]


def test_every_combination_is_a_plan_with_its_own_id(load: Load, change: Change) -> None:
    """Axes multiply in the order of the file, the last one turning fastest."""
    text = change("for: 1s}", 'for: "${matrix.cut}"}').replace("rate: 5/s", 'rate: "${matrix.rate}/s"')
    plans = load(f"{text}matrix: {{cut: [1s, 500ms], rate: [5, 10]}}\n")
    assert [plan.id for plan in plans] == [
        "bad-day[cut=1s,rate=5]",
        "bad-day[cut=1s,rate=10]",
        "bad-day[cut=500ms,rate=5]",
        "bad-day[cut=500ms,rate=10]",
    ]
    assert [plan.faults[0].for_s for plan in plans] == [1.0, 1.0, 0.5, 0.5]
    assert plans[1].matrix == {"cut": "1s", "rate": "10"}


def test_a_whole_placeholder_keeps_the_values_type(load: Load, change: Change) -> None:
    """A number of the matrix is a number where it is put."""
    text = change("{at: 1s}", '{after: server_accepted, nth: "${matrix.n}"}')
    assert [plan.faults[0].start.nth for plan in load(f"{text}matrix: {{n: [3, 5]}}\n")] == [3, 5]


def test_placeholders_inside_links(load: Load, change: Change) -> None:
    """A part of a string is filled in, too, and what comes out is looked up."""
    text = change("client:alice->chat", "client:${matrix.who}->chat")
    assert [plan.faults[0].target for plan in load(f"{text}matrix: {{who: [alice, bob]}}\n")] == [
        "client:alice->chat",
        "client:bob->chat",
    ]


def test_a_value_that_breaks_one_entry_only(complaint: Complain, change: Change) -> None:
    """The place is where the value is used, and the message has the value that was put there."""
    said = complaint(change("for: 1s}", 'for: "${matrix.cut}"}') + "matrix: {cut: [1s, 1x]}\n")
    assert said.startswith("bad.chaos.yaml:11:79: error[bad-value]: '1x' is not a duration")
    assert said.count("error[") == 1


def test_the_environment(load: Load, change: Change) -> None:
    """``${env.X}`` is the environment of the caller."""
    (plan,) = load(change("for: 1s}", 'for: "${env.CUT}"}'), env={"CUT": "250ms"})
    assert plan.faults[0].for_s == 0.25


def test_too_many_combinations(complaint: Complain, scenario: str) -> None:
    """A matrix that explodes is refused before it does."""
    axes = ", ".join(f"a{axis}: [1, 2, 3, 4, 5, 6, 7, 8, 9]" for axis in range(9))
    said = complaint(f"{scenario}matrix: {{{axes}}}\n")
    assert f"error[too-many-runs]: {9**9} combinations are more than 256" in said


def test_nothing_is_substituted_in_the_name(complaint: Complain, change: Change) -> None:
    """The name is the same for all entries; the id has the difference."""
    said = complaint(change("name: bad-day", 'name: "day-${matrix.x}"') + "matrix: {x: [1]}\n")
    assert "error[bad-name]: 'day-${matrix.x}' is not a name" in said


def test_a_value_from_outside_is_not_filled_in_again(complaint: Complain, change: Change) -> None:
    """What looks like a placeholder in the environment is a value like any other, and judged as one."""
    said = complaint(change("for: 1s}", 'for: "${env.CUT}"}'), env={"CUT": "${matrix.x}"})
    assert "error[bad-value]: '${matrix.x}' is not a duration" in said


def test_a_broken_axis_is_the_only_mistake(complaint: Complain, change: Change) -> None:
    """Where a broken axis is used nothing is wrong on top."""
    said = complaint(change("for: 1s}", 'for: "${matrix.cut}"}') + "matrix: {cut: []}\n")
    assert said.startswith("bad.chaos.yaml:12:15: error[bad-value]: this must not be empty")
    assert said.count("error[") == 1
