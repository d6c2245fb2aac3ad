"""Group conversations in scenario files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.core.plan import BlockWorkload, DirectWorkload, GroupWorkload, ScenarioPlan, ToDeviceWorkload
from harness.scenario.explain import explain
from harness.scenario.stackfile import load_stack

Load = Callable[..., list[ScenarioPlan]]
Change = Callable[[str, str], str]
DIRECT = "{kind: direct, from: alice, to: bob, rate: 5/s}"


def _group(change: Change, entry: str) -> str:
    text = change(DIRECT, f"{{kind: group, {entry}}}")
    return text.replace("bob: {devices: [phone]}", "bob: {devices: [phone]}\n  crowd: {count: 3}")


def test_a_group_in_full(load: Load, change: Change) -> None:
    """A crowd's name stands for all of it; comings, goings and blocks have their seconds."""
    entry = (
        "members: [alice, crowd], rate: 2/s, joins: [{at: 1s, person: bob}], "
        "leaves: [{at: 2s, person: bob}, {at: 500ms, person: crowd-1}], blocks: [{at: 3s, by: alice, of: crowd-2}]"
    )
    (plan,) = load(_group(change, entry))
    assert plan.workloads == (
        GroupWorkload(
            members=("alice", "crowd-1", "crowd-2", "crowd-3"),
            rate_per_s=2.0,
            joins=((1.0, "bob"),),
            leaves=((2.0, "bob"), (0.5, "crowd-1")),
            blocks=((3.0, "alice", "crowd-2"),),
        ),
    )
    assert plan.needs == ("groups", "blocks", "membership")
    text = explain(plan, load_stack(plan.stack))
    assert "baseline: alice, crowd-1, crowd-2 and crowd-3 write to their group at 2/s together" in text
    assert "500ms  crowd-1 leaves the group of alice, crowd-1, crowd-2 and crowd-3" in text
    assert "3s  alice blocks crowd-2" in text


@pytest.mark.parametrize(
    ("entry", "place", "said"),
    [
        ("members: [], rate: 1/s", "9:28", "this must not be empty"),
        ("members: [alice, alice], rate: 1/s", "9:36", "'alice' is already in the list"),
        ("members: [alice, bib], rate: 1/s", "9:36", "no person is called 'bib'"),
        ("members: [alice], rate: 1/s, joins: [{at: 1s, person: bib}]", "9:73", "no person is called 'bib'"),
        ("members: [alice], rate: 1/s, joins: [{at: 1s, person: crowd}]", "9:73", "'crowd' is a crowd of 3"),
        (
            "members: [alice], rate: 1/s, joins: [{at: 1s, person: alice}]",
            "9:73",
            "'alice' is in the group already at that time",
        ),
        (
            "members: [alice], rate: 1/s, leaves: [{at: 1s, person: bob}], joins: [{at: 2s, person: bob}]",
            "9:74",
            "'bob' is not in the group at that time",
        ),
        (
            "members: [alice], rate: 1/s, blocks: [{at: 1s, by: alice, of: alice}]",
            "9:81",
            "'alice' blocks nobody else",
        ),
        (
            "members: [alice], rate: 1/s, joins: [{at: 4s, person: bob}]",
            "9:61",
            "the run observes for 4s only: this never starts",
        ),
        (
            "members: [alice], rate: 1/s, joins: [{at: 1s, persn: bob}]",
            "9:65",
            "unknown key 'persn' in workload 1.joins 1",
        ),
    ],
)
def test_groups_that_cannot_be(
    complaint: Callable[[str], str], change: Change, entry: str, place: str, said: str
) -> None:
    """Unknown people and impossible comings and goings are shown where they stand."""
    text = complaint(_group(change, entry))
    assert f"bad.chaos.yaml:{place}: error" in text
    assert said in text


def test_members_of_a_group_write_in_turn(complaint: Callable[[str], str], change: Change) -> None:
    """A start that counts one member's sends must be within that member's share of the group's."""
    text = _group(change, "members: [alice, bob], rate: 5/s").replace(
        "start: {at: 1s}", "start: {after: client_send_started, of: alice, nth: 11}"
    )
    assert "'alice' sends only about 10 messages while the run observes" in complaint(text)


def test_a_block_between_two(load: Load, change: Change, complaint: Callable[[str], str]) -> None:
    """It needs no group; who is in it has to be somebody, and the time has to come."""
    text = change("rate: 5/s}", "rate: 5/s}\n  - {kind: block, by: bob, of: alice, at: 2s}")
    [plan] = load(text)
    assert plan.workloads[1] == BlockWorkload("bob", "alice", 2.0)
    assert "direct_blocks" in plan.needs
    for old, new, said in (
        ("of: alice, at", "of: bob, at", "'bob' blocks nobody else"),
        ("of: alice, at", "of: alic, at", "no person is called 'alic'"),
        ("at: 2s", "at: 9s", "this never starts"),
    ):
        assert said in complaint(text.replace(old, new))


def test_messages_as_files(load: Load, change: Change) -> None:
    """They need a service that keeps files; how long they are is a number of bytes."""
    [plan] = load(change("rate: 5/s}", "rate: 5/s, over: media, size: 20KiB}"))
    assert plan.workloads == (DirectWorkload("alice", "bob", 5.0, "media", 20480),)
    assert plan.needs == ("media",)


def test_messages_over_http(load: Load, change: Change) -> None:
    """A direct conversation can go over plain requests."""
    (plan,) = load(change("rate: 5/s", "rate: 5/s, over: http"))
    assert plan.workloads == (DirectWorkload("alice", "bob", 5.0, over="http"),)
    assert plan.needs == ("http_send",)
    assert "alice writes to bob at 5/s over HTTP" in explain(plan, load_stack(plan.stack))


def test_messages_to_devices(load: Load, change: Change, complaint: Callable[[str], str]) -> None:
    """They need a driver that offers them, and two people."""
    text = change("rate: 5/s}", "rate: 5/s}\n  - {kind: to_device, from: alice, to: bob, rate: 2/s}")
    [plan] = load(text)
    assert plan.workloads[1] == ToDeviceWorkload("alice", "bob", 2.0)
    assert "to_device" in plan.needs
    assert "no person is called 'bobb'" in complaint(text.replace("to: bob, rate: 2/s", "to: bobb, rate: 2/s"))
    assert "'alice' writes to nobody else" in complaint(text.replace("to: bob, rate: 2/s", "to: alice, rate: 2/s"))
