"""Thousands of people on one timetable, and what is counted of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from harness.core.clock import SystemClock
from harness.core.plan import MixPlan
from harness.core.seeds import Seed
from harness.history.recorder import Recorder
from harness.swarm.agent import Agent
from harness.swarm.config import Crowd
from harness.swarm.crowd import lines, name_of, other_of, people_of, rates_of
from harness.swarm.crowd_groups import blocks
from harness.swarm.pauses import Pauses
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


MIX = MixPlan(group=0.3, group_size=8, hot=0.1, hot_members=50, hot_writers=2)


def test_messages_are_shared_out_by_kind() -> None:
    """A tenth of all messages goes to the hot group, by its two writers; whoever mixes nothing only writes to pairs."""
    crowd = Crowd(people=50, rate_per_s=100.0, mix=MIX, everybody=50)
    plan = list(islice(lines(crowd, seed=Seed(7), sentences=SENTENCES), 10_000))
    kinds = Counter(line.kind for line in plan)
    assert 900 < kinds["hot"] < 1100
    assert 2800 < kinds["group"] < 3200
    assert {line.sender for line in plan if line.kind == "hot"} == {0, 1}
    assert len({line.sender for line in plan if line.kind == "group"}) == 50
    assert 90 < plan[-1].due_s < 110


def test_the_parts_of_a_crowd_write_as_much_as_the_whole() -> None:
    """The hot group's messages are all the first part's, for whoever is in it; the rest is divided by people."""
    one, two = (Crowd(people=n, rate_per_s=rate, first=f, mix=MIX, everybody=50) for n, rate, f in PARTS)
    assert rates_of(one) == pytest.approx({"direct": 36.0, "group": 18.0, "hot": 10.0})
    assert rates_of(two) == pytest.approx({"direct": 24.0, "group": 12.0, "hot": 0.0})


def test_people_who_only_get_messages_write_none() -> None:
    """All messages go to the hot group, whose writers another process plays."""
    crowd = Crowd(people=20, rate_per_s=40.0, first=31, mix=MixPlan(hot=1.0, hot_members=50), everybody=50)
    assert list(lines(crowd, seed=Seed(7), sentences=SENTENCES)) == []


PARTS = ((30, 60.0, 1), (20, 40.0, 31))


@pytest.mark.parametrize(
    ("people", "sizes"), [(24, [8, 8, 8]), (26, [8, 8, 8, 2]), (25, [8, 8, 9]), (3, [3]), (9, [9]), (1, [1])]
)
def test_nobody_is_in_a_group_alone(people: int, sizes: list[int]) -> None:
    """Everybody is in one group, and groups have the size that was asked for as far as people go."""
    found = blocks(people, 8)
    assert [len(members) for members in found] == sizes
    assert [index for members in found for index in members] == list(range(people))


class Phone:
    """A device that only comes and goes; ``seen`` has what it did, ``enough`` is set after so many things."""

    def __init__(self, things: int) -> None:
        self.seen: list[str] = []
        self.enough = asyncio.Event()
        self._things = things

    def come_online(self) -> None:
        """Note it."""
        self._note("come")

    async def go_offline(self) -> None:
        """Note it."""
        self._note("go")

    def _note(self, what: str) -> None:
        self.seen.append(what)
        if len(self.seen) == self._things:
            self.enough.set()


async def paused(online: int, phones: list[Phone]) -> None:
    """Let people leave and come back until each of the first ``online`` has seen enough of it."""
    crowd = Crowd(people=len(phones), rate_per_s=1.0, mix=MixPlan(away=0.5, away_for_s=0.02))
    pauses = Pauses(crowd, cast("list[Agent]", phones), Seed(7), lambda: online)
    playing = asyncio.create_task(pauses.play())
    for phone in phones[:online]:
        await phone.enough.wait()
    playing.cancel()
    await asyncio.wait([playing])


def test_people_leave_and_come_back_in_turn() -> None:
    """Going and coming alternate, and those who are not online do neither."""
    phones = [Phone(6) for _ in range(6)]
    asyncio.run(paused(4, phones))
    assert all(phone.seen[:2] == ["go", "come"] for phone in phones[:4])
    assert all(one != other for phone in phones for one, other in pairwise(phone.seen))
    assert [phone.seen for phone in phones[4:]] == [[], []]


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


def test_what_another_process_sent_is_counted_without_a_time(tmp_path: Path) -> None:
    """A group that several processes play: nobody here knows when the message was due."""
    found = counted(tmp_path, ("recipient_online_delivered", {"client_message_id": "c9", "device": "p0001/phone"}))
    assert found is not None
    assert (found["untimed"], found["times"]) == ({"deliver": 1}, {})


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
