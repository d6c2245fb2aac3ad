"""Thousands of people on one timetable, and what is counted of them."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from harness.core.clock import SystemClock
from harness.core.seeds import Seed
from harness.history.recorder import Recorder
from harness.swarm.config import Crowd
from harness.swarm.crowd import lines, name_of, other_of, people_of
from harness.swarm.tally import Tally

SENTENCES = ("Hello.", "Good morning.")


def test_people_are_numbered_from_the_part_of_their_swarm() -> None:
    """Names are the same whoever plays them, with one phone each."""
    people = people_of(Crowd(people=3, rate_per_s=1.0, first=7))
    assert [person.name for person in people] == ["p0007", "p0008", "p0009"]
    assert [device.id for person in people for device in person.devices] == [f"{name_of(n)}/phone" for n in (7, 8, 9)]


@pytest.mark.parametrize(("people", "others"), [(4, [1, 0, 3, 2]), (5, [1, 0, 3, 2, 0]), (2, [1, 0])])
def test_everybody_has_somebody_to_write_to(people: int, others: list[int]) -> None:
    """Pairs write to each other; the last of an odd number has no pair and writes to the first."""
    assert [other_of(index, people) for index in range(people)] == others


def test_the_timetable_keeps_the_rate_and_the_seed() -> None:
    """Ten thousand lines take about as long as their rate says, everybody writes, and equal seeds write alike."""
    crowd = Crowd(people=50, rate_per_s=100.0)
    plan = list(islice(lines(crowd, seed=Seed(7), sentences=SENTENCES), 10_000))
    assert 90 < plan[-1].due_s < 110
    counts = Counter(line.sender for line in plan)
    assert len(counts) == 50
    assert min(counts.values()) > 120
    assert len({line.body for line in plan}) == len(plan)
    assert plan == list(islice(lines(crowd, seed=Seed(7), sentences=SENTENCES), 10_000))
    other = Crowd(people=50, rate_per_s=100.0, first=51)
    assert plan[0].due_s != next(lines(other, seed=Seed(7), sentences=SENTENCES)).due_s


def counted(tmp_path: Path, *events: tuple[str, dict[str, Any]]) -> dict[str, Any] | None:
    """What a tally makes of some events."""
    tally = Tally(SystemClock())
    recorder = Recorder(tmp_path, run="r", role="swarm", observer="client")
    recorder.subscribe(tally.see)
    for event, facts in events:
        recorder.record(event, **facts)
    recorder.close()
    return tally.take()


def test_times_run_from_when_a_message_was_due(tmp_path: Path) -> None:
    """An attempt that failed is a failure by its code; the time goes on until the acknowledgement and the arrival."""
    second_ago = SystemClock().mono_ns() - 1_000_000_000
    message = {"client_message_id": "c1"}
    found = counted(
        tmp_path,
        ("client_send_started", {**message, "attempt": 1, "intended_ns": second_ago}),
        ("client_send_failed", {**message, "attempt": 1, "outcome": "unknown", "error_code": "ack_timeout"}),
        ("client_send_started", {**message, "attempt": 2, "intended_ns": second_ago}),
        ("server_accepted", {**message, "attempt": 2}),
        ("recipient_online_delivered", message),
    )
    assert found is not None
    assert found["failures"] == [["send", "ack_timeout", 1]]
    assert {name: sum(times["counts"].values()) for name, times in found["times"].items()} == {"send": 1, "deliver": 1}
    assert all(times["max_ms"] >= 1000 for times in found["times"].values())


def test_connections_are_timed_from_the_wish_or_the_loss(tmp_path: Path) -> None:
    """Coming online, the first sync, and coming back; a goodbye is no failure and starts no clock."""
    device = {"device": "p0001/phone"}
    found = counted(
        tmp_path,
        ("person_online", device),
        ("connection_lost", {**device, "error_code": "connect_failed", "detail": {"clean": False}}),
        ("connection_opened", device),
        ("sync_completed", device),
        ("sync_completed", device),
        ("connection_lost", {**device, "error_code": "connection_lost", "detail": {"clean": False}}),
        ("connection_opened", device),
        ("person_offline", device),
        ("connection_lost", {**device, "error_code": "left", "detail": {"clean": True}}),
    )
    assert found is not None
    assert {name: sum(times["counts"].values()) for name, times in found["times"].items()} == {"connect": 2, "sync": 1}
    assert sorted(found["failures"]) == [["connect", "connect_failed", 1], ["connect", "connection_lost", 1]]


def test_a_second_without_anything_is_not_told(tmp_path: Path) -> None:
    """Nothing was counted: nothing is sent to Locust."""
    assert counted(tmp_path, ("recorder_heartbeat", {})) is None
