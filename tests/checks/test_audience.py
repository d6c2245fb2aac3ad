"""audience: who surely belongs to a message, who surely does not, and whom nobody can tell."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.checks.oracles import Judged
from harness.testing.histories import HistoryBuilder, Message

Judge = Callable[..., Judged]
DEVICES = ("alice/phone", "bob/phone", "carol/phone")
GROUP = "g:1"


def group(*members: str) -> HistoryBuilder:
    """Alice, Bob and Carol with a phone each, some of them in a group."""
    return HistoryBuilder().online(*DEVICES).group(GROUP, *members)


def post(builder: HistoryBuilder, at_s: float = 5.0) -> Message:
    """Alice writes to the group, and Bob gets it."""
    message = builder.send("m1", at_s, to=None, conversation=GROUP)
    builder.live(message, "bob/phone", at_s + 0.02)
    return message


def kinds(found: Judged) -> list[tuple[str, str]]:
    """What was found, as kind and device."""
    return sorted((kind, device) for kind, _, _, device in found.keys)


def test_a_stranger_who_listens_gets_nothing(verdict_on: Judge) -> None:
    """Carol is connected and no part of the chat: that is what the check is about."""
    builder = HistoryBuilder().online(*DEVICES)
    message = builder.send("m1", 2.0)
    builder.live(message, "bob/phone", 2.02)
    assert verdict_on("audience", builder) == Judged(exercised=1)
    builder.live(message, "carol/phone", 2.03)
    assert kinds(verdict_on("audience", builder)) == [("outsider", "carol/phone")]


def test_where_nobody_else_listens_nothing_is_shown(verdict_on: Judge) -> None:
    """Carol left before: no proof that she is kept out."""
    builder = HistoryBuilder().online(*DEVICES).offline("carol/phone", 1.0)
    builder.send("m1", 2.0)
    assert verdict_on("audience", builder) == Judged(exercised=0)


def test_an_archive_and_a_push_can_show_too_much(verdict_on: Judge) -> None:
    """Not only live connections do."""
    builder = HistoryBuilder().online(*DEVICES).push_token("carol/phone", 1.0)
    message = builder.send("m1", 2.0)
    builder.push(message, "carol/phone", 2.5).archive(["carol"], [message])
    assert kinds(verdict_on("audience", builder)) == [("outsider", ""), ("outsider", "carol/phone")]


@pytest.mark.parametrize(
    ("change", "from_s", "to_s", "expected"),
    [
        ("join", 6.0, 6.1, "not_member"),
        ("join", 4.0, 4.1, None),
        ("join", 4.9, 5.1, None),
        ("join", 5.005, 5.1, None),
        ("join", 4.0, None, None),
    ],
)
def test_a_member_sees_what_comes_after_the_joining(
    verdict_on: Judge, change: str, from_s: float, to_s: float | None, expected: str | None
) -> None:
    """Before it nothing; a joining that overlaps with the message or was never confirmed leaves it open."""
    builder = group("alice", "bob").change(change, "carol", "carol", from_s, to_s, GROUP)
    builder.live(post(builder), "carol/phone", 5.03)
    assert kinds(verdict_on("audience", builder)) == ([(expected, "carol/phone")] if expected else [])


@pytest.mark.parametrize(("from_s", "to_s", "hidden"), [(3.0, 3.1, True), (4.95, 5.2, False), (6.0, 6.1, False)])
@pytest.mark.parametrize(("change", "whom"), [("leave", "carol"), ("block", "alice")])
def test_who_left_or_blocked_sees_nothing_more(
    verdict_on: Judge, change: str, whom: str, from_s: float, to_s: float, hidden: bool
) -> None:
    """From the confirmation on; until the beginning it is owed, in between both will do."""
    where = GROUP if change == "leave" else None
    builder = group("alice", "bob", "carol").change(change, "carol", whom, from_s, to_s, where)
    message = post(builder)
    builder.final_sync(*DEVICES).archive(["alice", "bob"], [message])
    gaps = verdict_on("acked_never_lost", builder)
    assert kinds(gaps) == ([("gap", "carol/phone")] if from_s > 5.0 else [])
    builder.live(message, "carol/phone", 5.03)
    expected = "not_member" if change == "leave" else "blocked"
    assert kinds(verdict_on("audience", builder)) == ([(expected, "carol/phone")] if hidden else [])


@pytest.mark.parametrize("back_s", [3.5, 4.98])
def test_who_came_back_may_see_it_again(verdict_on: Judge, back_s: float) -> None:
    """A change taken back counts like one that was never made, once that is confirmed."""
    builder = group("alice", "bob", "carol")
    builder.change("leave", "carol", "carol", 2.0, 2.1, GROUP).change(
        "join", "carol", "carol", back_s, back_s + 0.1, GROUP
    )
    builder.change("block", "carol", "alice", 2.0, 2.1).change("unblock", "carol", "alice", back_s, back_s + 0.1)
    message = post(builder)
    builder.final_sync(*DEVICES).archive(["alice", "bob"], [message])
    assert kinds(verdict_on("acked_never_lost", builder)) == ([("gap", "carol/phone")] if back_s < 4.0 else [])
    builder.live(message, "carol/phone", 5.03)
    assert not verdict_on("audience", builder).keys


def test_a_block_hides_a_direct_message_from_the_one_who_blocked(verdict_on: Judge) -> None:
    """It stays with its sender alone: nothing is lost, and only Bob's copy is one too many."""
    builder = HistoryBuilder().online(*DEVICES).change("block", "bob", "alice", 1.0, 1.1)
    message = builder.send("m1", 2.0)
    builder.final_sync(*DEVICES).archive(["alice"], [message]).archive(["bob"], [])
    assert verdict_on("acked_never_lost", builder) == Judged(exercised=1)
    builder.live(message, "bob/phone", 2.02)
    assert kinds(verdict_on("audience", builder)) == [("blocked", "bob/phone")]


def test_a_block_does_not_hide_the_own_messages_of_the_one_who_blocked(verdict_on: Judge) -> None:
    """Bob blocked Alice and writes to her: she gets it."""
    builder = HistoryBuilder().online(*DEVICES).change("block", "bob", "alice", 1.0, 1.1)
    message = builder.send("m1", 2.0, device="bob/phone", to="alice")
    assert not verdict_on("audience", builder.live(message, "alice/phone", 2.02)).keys


def test_a_group_of_which_nothing_is_known_has_no_strangers(verdict_on: Judge) -> None:
    """A foreign history without changes of membership: nobody can tell who belongs to it."""
    builder = HistoryBuilder().online(*DEVICES)
    assert verdict_on("audience", builder.live(post(builder), "carol/phone", 5.03)) == Judged(exercised=0)
