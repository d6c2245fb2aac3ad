"""A crowd divided among swarms, and the swarms' answers as one."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.load.parts import configurations, merged, online, parts

CROWDS = st.tuples(st.integers(2, 300), st.integers(1, 9))


@given(CROWDS)
def test_everybody_is_in_one_swarm_with_their_pair(crowd: tuple[int, int]) -> None:
    """Pairs stay together, so only the last of an odd number makes a part odd."""
    people, swarms = crowd
    sizes = parts(people, swarms)
    assert sum(sizes) == people
    assert len(sizes) <= swarms
    assert min(sizes) >= 2
    assert sum(size % 2 for size in sizes) == people % 2


@given(CROWDS, st.integers(0, 300))
def test_as_many_are_online_as_there_are_users(crowd: tuple[int, int], number: int) -> None:
    """Each user of Locust stands for one person who is online, and no swarm is asked for more than it has."""
    people, swarms = crowd
    sizes = parts(people, swarms)
    found = online(number, sizes)
    assert sum(found) == min(number, people)
    assert all(here <= size for here, size in zip(found, sizes, strict=True))


@given(CROWDS)
def test_nobody_leaves_while_more_come(crowd: tuple[int, int]) -> None:
    """One user more never sends somebody home."""
    people, swarms = crowd
    sizes = parts(people, swarms)
    steps = [online(number, sizes) for number in range(people + 1)]
    assert all(before <= after for one, other in pairwise(steps) for before, after in zip(one, other, strict=True))


def test_named_people_are_played_once() -> None:
    """People of the scenario are the first swarm's; numbers and rate of the crowd are shared out."""
    command = {
        "do": "configure",
        "people": ["alice"],
        "workloads": ["direct"],
        "crowd": {"people": 10, "rate_per_s": 5.0, "first": 1, "shape": []},
    }
    one, two = configurations(command, 2)
    assert (one["people"], one["workloads"]) == (["alice"], ["direct"])
    assert (two["people"], two["workloads"]) == ([], [])
    assert one["crowd"] == {"people": 6, "rate_per_s": 3.0, "first": 1, "shape": []}
    assert two["crowd"] == {"people": 4, "rate_per_s": 2.0, "first": 7, "shape": []}


def test_a_part_of_a_crowd_can_be_divided_again() -> None:
    """A worker's people keep the numbers that the master gave them."""
    command = {
        "people": [],
        "workloads": [],
        "crowd": {"people": 6, "rate_per_s": 3.0, "first": 7, "shape": []},
    }
    crowds = [part["crowd"] for part in configurations(command, 2)]
    assert [(crowd["first"], crowd["people"], crowd["rate_per_s"]) for crowd in crowds] == [(7, 4, 2.0), (11, 2, 1.0)]


def test_answers_add_up() -> None:
    """Counts are summed, names listed, the worst lag counts, and a reading is complete only when each is."""
    one = {"id": 1, "ok": True, "devices": 2, "missing": ["a"], "lag_ms": 3.0, "complete": True, "writer": "swarm-1"}
    two = {"id": 9, "ok": True, "devices": 3, "missing": [], "lag_ms": 7.0, "complete": False, "writer": "swarm-2"}
    assert merged([one, two]) == {
        "ok": True,
        "devices": 5,
        "missing": ["a"],
        "lag_ms": 7.0,
        "complete": False,
        "writer": "swarm-1,swarm-2",
    }


def test_one_failure_is_the_answer() -> None:
    """When a swarm could not, the engine hears that swarm's reason."""
    failed = {"id": 2, "ok": False, "error": "no", "hint": "yes"}
    assert merged([{"id": 1, "ok": True}, failed]) == failed
