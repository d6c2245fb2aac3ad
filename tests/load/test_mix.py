"""A crowd that does several things, from the command line to the verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow
MIX = "{group: {share: 20%, size: 8}, hot: {share: 20%, writers: 2}, away: {share: 20%, for: 1s}}"


def test_small_groups_one_of_all_and_people_who_are_away(loaded: Callable[..., Any]) -> None:
    """Twenty-four people in two processes share a group, in which two write, and every message reaches all of them."""
    run = loaded("--swarms", "2", mix=MIX)
    assert run.status == 0, run.errors
    members = defaultdict(set)
    for event in run.events("membership_changed"):
        members[event["conversation_id"]].add(event["recipient"])
    everybody = {f"p{number:04d}" for number in range(1, 25)}
    (hot,) = [group for group, inside in members.items() if inside == everybody]
    small = {group for group in members if group != hot}
    assert [set.union(*(members[group] for group in small)), sum(len(members[group]) for group in small)] == [
        everybody,
        24,
    ]
    sent = {event["op"]: event for event in run.events("client_send_started")}
    writers = {event["sender"] for event in sent.values() if event["conversation_id"] == hot}
    assert writers
    assert writers <= {"p0001", "p0002"}
    assert {event["conversation_id"] for event in sent.values()} & small
    got = defaultdict(set)
    for event in run.events("recipient_online_delivered", "recipient_synced"):
        if event["conversation_id"] == hot:
            got[event["client_message_id"]].add(event["device"].partition("/")[0])
    written = [event for event in sent.values() if event["conversation_id"] == hot]
    assert all(got[event["client_message_id"]] >= everybody - {event["sender"]} for event in written)
    left = {event["device"] for event in run.events("person_offline") if event["phase"] == "inject"}
    came = {event["device"] for event in run.events("person_online") if event["phase"] in {"inject", "observe", "heal"}}
    assert left & came
