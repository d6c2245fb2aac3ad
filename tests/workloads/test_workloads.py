"""Workloads as plans: the same seed plays the same chat."""

from __future__ import annotations

import json
import re
from itertools import islice, pairwise

import msgspec
import pytest

from harness.core.digests import canary
from harness.core.errors import UsageError
from harness.core.plan import BlockWorkload, DirectWorkload, GroupWorkload, OfflineWorkload, ToDeviceWorkload
from harness.core.seeds import Seed
from harness.workloads.bodies import sentences
from harness.workloads.direct import Send, sends
from harness.workloads.group import Change, Turn, changes, turns
from harness.workloads.offline import Move, moves
from harness.workloads.registry import workload

DIRECT = DirectWorkload("alice", "bob", 20.0)
SENTENCES = ("Hello.", "Are you there?", "Call me.")


def first(count: int, *, seed: int = 7, index: int = 0, salt: str = "s") -> list[Send]:
    """The first messages of a plan."""
    return list(islice(sends(DIRECT, seed=Seed(seed), index=index, salt=salt, sentences=SENTENCES), count))


def test_a_seed_fixes_times_ids_and_bodies() -> None:
    """A run can be repeated with the same inputs, and another seed gives others."""
    assert first(50) == first(50)
    assert [send.due_s for send in first(50)] != [send.due_s for send in first(50, seed=8)]


def test_due_times_never_step_back_and_keep_the_rate() -> None:
    """Over a long time the mean rate is the declared one, with uneven gaps."""
    times = [send.due_s for send in first(4000)]
    gaps = [late - early for early, late in pairwise(times)]
    assert min(gaps) >= 0
    assert len(times) / times[-1] == pytest.approx(20.0, rel=0.1)
    assert max(gaps) > 4 * (sum(gaps) / len(gaps))


def test_every_message_is_its_own() -> None:
    """Neither ids nor bodies repeat, so that content can be matched to its message."""
    plans = [*first(500), *first(500, index=1)]
    assert len({send.client_message_id for send in plans}) == 1000
    assert len({send.body for send in first(500)}) == 500


def test_runs_do_not_share_ids() -> None:
    """A service that remembers ids for ever would take another run's message for a repetition."""
    here, there = first(20, salt="run1"), first(20, salt="run2")
    assert {send.client_message_id for send in here} & {send.client_message_id for send in there} == set()
    assert [send.body for send in here] == [send.body for send in there]


def test_sentences_come_from_the_seed() -> None:
    """Faker's own state has no part in a run."""
    assert sentences(Seed(7), 5) == sentences(Seed(7), 5)
    assert sentences(Seed(7), 5) != sentences(Seed(8), 5)


def test_every_sentence_carries_the_canary_of_the_run() -> None:
    """So that a body in a log can be found without any body being kept; another key has another word."""
    word = canary(b"key")
    assert all(one.endswith(f" {word}") for one in sentences(Seed(7), 5, canary=word))
    assert word != canary(b"another")
    assert re.fullmatch("[0-9a-f]{16}", word)


def test_messages_are_as_long_as_is_wanted() -> None:
    """At least: words that are longer stay whole, and what begins each message sets it apart."""
    plan = sends(
        DirectWorkload("alice", "bob", 5.0, size=200), seed=Seed(1), index=0, salt="s", sentences=["hello", "x" * 300]
    )
    bodies = [next(plan).body for _ in range(20)]
    assert {len(body) for body in bodies} > {200}
    assert all(len(body) == 200 or body.startswith("x" * 300) for body in bodies)
    assert len(set(bodies)) == 20


def test_an_absence_is_two_moves() -> None:
    """The device leaves, and comes back so much later."""
    assert moves(OfflineWorkload("bob/phone", at_s=4.0, for_s=6.0)) == (
        Move(4.0, "bob/phone", "leave"),
        Move(10.0, "bob/phone", "return"),
    )


def test_workloads_are_read_from_plain_data() -> None:
    """What crosses the control socket comes out as what was planned."""
    raw = {"kind": "direct", "sender": "alice", "recipient": "bob", "rate_per_s": 20}
    assert workload(raw) == DIRECT
    with pytest.raises(UsageError, match="no workload 'gruop'"):
        workload({"kind": "gruop"})


GROUP = GroupWorkload(
    ("alice", "bob"),
    10.0,
    joins=((2.0, "carol"),),
    leaves=((4.0, "carol"), (1.0, "bob")),
    blocks=((3.0, "carol", "alice"),),
)


def test_a_group_speaks_in_turn_by_chance() -> None:
    """The seed fixes times, bodies and whose turn it is among the same members; everybody gets their share."""

    def some(seed: int) -> list[Turn]:
        return list(islice(turns(GROUP, seed=Seed(seed), index=1, sentences=SENTENCES), 400))

    assert some(7) == some(7) != some(8)
    senders = [turn.sender(["alice", "bob", "carol"]) for turn in some(7)]
    assert all(senders.count(name) > 100 for name in ("alice", "bob", "carol"))
    assert len({turn.body for turn in some(7)}) == 400
    assert some(7)[-1].due_s == pytest.approx(40.0, rel=0.2)


def test_what_a_person_does_in_a_group_is_in_the_order_of_its_times() -> None:
    """Joins, leaves and blocks together, so that nobody leaves before their joining is done."""
    planned = changes(GROUP)
    assert planned["bob"] == (Change(1.0, "leave", "bob", "bob"),)
    assert [(change.at_s, change.kind, change.whom) for change in planned["carol"]] == [
        (2.0, "join", "carol"),
        (3.0, "block", "alice"),
        (4.0, "leave", "carol"),
    ]


def test_a_block_is_read_from_plain_data() -> None:
    """As the process that plays the people gets it."""
    keys = {"kind": "to_device", "sender": "alice", "recipient": "bob", "rate_per_s": 2.0}
    assert workload(keys) == ToDeviceWorkload("alice", "bob", 2.0)
    assert workload({"kind": "block", "by": "bob", "of": "alice", "at_s": 1.5}) == BlockWorkload("bob", "alice", 1.5)


def test_a_group_survives_the_control_socket() -> None:
    """Its times and people come out as what was planned."""
    assert workload(json.loads(msgspec.json.encode(GROUP))) == GROUP
