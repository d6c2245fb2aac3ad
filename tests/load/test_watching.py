"""The nth event among several swarms."""

from __future__ import annotations

from harness.load.watching import Counting


def test_one_swarm_counts_for_itself() -> None:
    """What a single swarm is told stays as the engine said it."""
    command = {"do": "watch", "watch": "w", "event": "server_accepted", "nth": 3}
    assert Counting().divide(command, 1) == command


def test_several_swarms_are_counted_together() -> None:
    """Each tells every event; the third of all is the one, and what comes after it is not."""
    counting = Counting()
    command = {"do": "watch", "watch": "w", "event": "server_accepted", "nth": 3}
    assert counting.divide(command, 2) == {**command, "each": True}
    assert [counting.is_the_nth("w") for _ in range(5)] == [False, False, True, False, False]


def test_a_worker_leaves_the_counting_to_its_master() -> None:
    """Who is to tell every event passes the command on as it is, to however many swarms."""
    counting = Counting()
    command = {"do": "watch", "watch": "w", "event": "server_accepted", "nth": 3, "each": True}
    assert counting.divide(command, 2) == command
    assert "w" in counting.others
