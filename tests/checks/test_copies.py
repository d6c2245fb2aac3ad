"""no_duplicates and order: each rule fires, and is silent on the nearest legal history."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.checks.oracles import Judged
from harness.core.stack import Promises
from harness.testing.histories import HistoryBuilder, Message

Judge = Callable[..., Judged]
PEOPLE = ("alice", "bob")


def online() -> HistoryBuilder:
    """Alice with two devices and Bob with one."""
    return HistoryBuilder().online("alice/phone", "alice/laptop", "bob/phone")


def kinds(found: Judged) -> list[tuple[str, str]]:
    """What was found, as kind and device."""
    return sorted((kind, device) for kind, _, _, device in found.keys)


def test_a_retry_that_made_one_message_is_no_duplicate(verdict_on: Judge) -> None:
    """Two attempts and one message are what the promise is about."""
    builder = online()
    message = builder.send("m1", 2.0, answers=("unknown", "ok"))
    assert verdict_on("no_duplicates", builder.archive(PEOPLE, [message])) == Judged(exercised=1)


def test_a_message_sent_once_could_not_have_been_doubled(verdict_on: Judge) -> None:
    """Without a retry or a redelivery nothing is exercised."""
    builder = online()
    message = builder.send("m1", 2.0)
    builder.live(message, "bob/phone", 2.02).archive(PEOPLE, [message])
    assert verdict_on("no_duplicates", builder) == Judged(exercised=0)


@pytest.mark.parametrize("where", ["archive", "acknowledgement", "device"])
def test_two_ids_for_one_send_are_a_duplicate(verdict_on: Judge, where: str) -> None:
    """A second server id is found wherever it shows."""
    builder = online()
    message = builder.send("m1", 2.0, answers=("unknown", "ok"))
    builder.archive(PEOPLE, [message])
    if where == "archive":
        builder.stored(message, "alice", message_id="s-twin")
    elif where == "acknowledgement":
        builder.acknowledge(message, 3.0, attempt=2, message_id="s-twin")
    else:
        builder.live(message, "bob/phone", 3.0, message_id="s-twin")
    assert kinds(verdict_on("no_duplicates", builder)) == [("two_ids", "")]


def test_a_retry_after_the_idempotency_window_may_make_another_message(verdict_on: Judge) -> None:
    """Half a second lies between the attempts; the stack remembers ids for a fifth of one, or for ever."""
    builder = online()
    message = builder.send("m1", 2.0, answers=("unknown", "ok"))
    builder.archive(PEOPLE, [message]).stored(message, "alice", message_id="s-twin")
    assert not verdict_on("no_duplicates", builder, promises=Promises(idempotency_window_s=0.2)).keys
    assert verdict_on("no_duplicates", builder).keys


def test_one_message_twice_on_one_connection_is_a_duplicate(verdict_on: Judge) -> None:
    """The device did not ask for it again."""
    builder = online()
    message = builder.send("m1", 2.0)
    builder.live(message, "bob/phone", 2.02).live(message, "bob/phone", 2.05)
    assert kinds(verdict_on("no_duplicates", builder)) == [("twice_live", "bob/phone")]


def test_a_redelivery_on_a_new_connection_or_by_a_sync_is_allowed(verdict_on: Judge) -> None:
    """At-least-once delivery across connections is counted, not blamed."""
    builder = online()
    message = builder.send("m1", 2.0)
    builder.live(message, "bob/phone", 2.02).lose("bob/phone", 3.0).connect("bob/phone", 4.0)
    builder.live(message, "bob/phone", 4.1).sync(message, "bob/phone", 4.2, (None, "1"))
    assert verdict_on("no_duplicates", builder) == Judged(exercised=1)


def test_a_message_again_after_its_cursor_was_confirmed_is_a_duplicate(verdict_on: Judge) -> None:
    """Asking from a cursor says that everything up to it has come."""
    builder = online()
    message = builder.send("m1", 2.0)
    builder.sync(message, "bob/phone", 3.0, (None, "1")).sync(message, "bob/phone", 4.0, ("1", "2"))
    assert kinds(verdict_on("no_duplicates", builder)) == [("after_confirmed", "bob/phone")]


def test_a_repeated_page_and_a_walk_from_the_start_are_allowed(verdict_on: Judge) -> None:
    """Neither a page asked for twice nor a device that lost its cursor has confirmed anything."""
    builder = online()
    message = builder.send("m1", 2.0)
    builder.sync(message, "bob/phone", 3.0, ("0", "1")).sync(message, "bob/phone", 3.5, ("0", "1"))
    assert not verdict_on("no_duplicates", builder).keys
    builder = online()
    first, second = builder.send("m1", 2.0), builder.send("m2", 2.5)
    builder.sync(first, "bob/phone", 3.0, (None, "1")).sync(second, "bob/phone", 3.1, ("1", "2"))
    builder.sync(first, "bob/phone", 4.0, (None, "half")).sync(second, "bob/phone", 4.1, ("half", "2"))
    assert not verdict_on("no_duplicates", builder).keys


def test_the_archive_must_keep_what_was_acknowledged_first_before(verdict_on: Judge) -> None:
    """The second began after the first was acknowledged, and was given an earlier place."""
    builder = online()
    messages = [builder.send("m1", 2.0, seq=2), builder.send("m2", 3.0, seq=1)]
    found = verdict_on("order", builder.archive(PEOPLE, messages))
    assert found.exercised == 1
    assert kinds(found) == [("archive", "")]


def test_overlapping_sends_may_be_stored_in_any_order(verdict_on: Judge) -> None:
    """The second began before the first was acknowledged."""
    builder = online()
    messages = [builder.send("m1", 2.0, seq=2), builder.send("m2", 2.005, seq=1)]
    assert verdict_on("order", builder.archive(PEOPLE, messages)) == Judged(exercised=0)


def test_order_between_senders_is_owed_only_when_it_is_promised(verdict_on: Judge) -> None:
    """Two people crossed: broken under order of the conversation, not under order of the sender."""
    builder = online()
    messages = [builder.send("m1", 2.0, seq=2), builder.send("m2", 3.0, device="bob/phone", to="alice", seq=1)]
    builder.archive(PEOPLE, messages)
    assert kinds(verdict_on("order", builder)) == [("archive", "")]
    assert verdict_on("order", builder, promises=Promises(order="sender")) == Judged(exercised=0)


def test_a_message_stored_twice_is_not_also_out_of_order(verdict_on: Judge) -> None:
    """Its second copy after a later message is the other check's finding."""
    builder = online()
    first, second = builder.send("m1", 2.0), builder.send("m2", 3.0)
    builder.archive(PEOPLE, [first, second]).stored(first, "alice", message_id="s-twin", conversation_seq=9)
    assert not verdict_on("order", builder).keys


@pytest.mark.parametrize("reconnects", [False, True])
def test_live_order_is_owed_within_one_connection(verdict_on: Judge, reconnects: bool) -> None:
    """Crossed on one connection is a finding; across a reconnect it is not."""
    builder = online()
    first, second = builder.send("m1", 2.0), builder.send("m2", 3.0)
    builder.live(second, "bob/phone", 3.02)
    if reconnects:
        builder.lose("bob/phone", 3.03).connect("bob/phone", 3.04)
    builder.live(first, "bob/phone", 3.05).archive(PEOPLE, [first, second])
    assert kinds(verdict_on("order", builder)) == ([] if reconnects else [("live", "bob/phone")])


def test_everybody_must_see_a_message_at_the_same_place(verdict_on: Judge) -> None:
    """A device was told another place than the archive has."""
    builder = online()
    message = builder.send("m1", 2.0)
    builder.archive(PEOPLE, [message]).live(message, "bob/phone", 2.02)
    assert not verdict_on("order", builder).keys
    builder.live(message, "alice/laptop", 2.02, conversation_seq=7)
    assert kinds(verdict_on("order", builder)) == [("disagree", "")]


def test_two_messages_cannot_share_a_place(verdict_on: Judge) -> None:
    """One place in one conversation has one message; in two conversations it has two."""

    def stored(conversation: str) -> Judged:
        builder = online()
        one: Message = builder.send("m1", 2.0, seq=1)
        other = builder.send("m2", 2.005, seq=1, conversation=conversation)
        return verdict_on("order", builder.archive(PEOPLE, [one, other]))

    assert kinds(stored("c1")) == [("shared", "")]
    assert not stored("c2").keys
