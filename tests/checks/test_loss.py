"""What must be stored, and what must not: each rule fires, and is silent on the nearest legal history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.checks.oracles import Judged
from harness.core.stack import Promises
from harness.testing.histories import READING_S, HistoryBuilder, Message

Judge = Callable[..., Judged]
PEOPLE = ("alice", "bob")
DEVICES = ("alice/phone", "alice/laptop", "bob/phone")


def chat(*, live: tuple[str, ...] = ("alice/laptop", "bob/phone")) -> tuple[HistoryBuilder, Message]:
    """One acknowledged message that came live to some devices."""
    builder = HistoryBuilder().online(*DEVICES)
    message = builder.send("m1", 2.0)
    for device in live:
        builder.live(message, device, 2.02)
    return builder, message


def kinds(found: Judged) -> list[tuple[str, str]]:
    """What was found, as kind and device."""
    return sorted((kind, device) for kind, _, _, device in found.keys)


def test_an_acknowledged_message_that_is_stored_and_received_is_kept(verdict_on: Judge) -> None:
    """The healthy life of one message is exercised and breaks nothing."""
    builder, message = chat()
    found = verdict_on("acked_never_lost", builder.final_sync(*DEVICES).archive(PEOPLE, [message]))
    assert found == Judged(exercised=1)


def test_an_acknowledged_message_missing_from_a_complete_archive_is_lost(verdict_on: Judge) -> None:
    """Even when every device got it live: the archive is the truth."""
    builder, _ = chat()
    found = verdict_on("acked_never_lost", builder.final_sync(*DEVICES).archive(PEOPLE, []))
    assert kinds(found) == [("lost", "")]


def test_a_message_missing_from_one_of_two_archives_is_lost(verdict_on: Judge) -> None:
    """Each person of the conversation has the right to find it."""
    builder, message = chat()
    builder.final_sync(*DEVICES).archive(["alice"], [message]).archive(["bob"], [])
    assert kinds(verdict_on("acked_never_lost", builder)) == [("lost", "")]


def test_an_incomplete_archive_proves_no_loss(verdict_on: Judge) -> None:
    """A reading that broke off leaves the message undecided, not lost."""
    builder, _ = chat()
    found = verdict_on("acked_never_lost", builder.final_sync(*DEVICES).archive(PEOPLE, [], complete=False))
    assert found == Judged(exercised=0, undecided=1)


def test_a_reading_of_which_records_are_missing_is_incomplete(verdict_on: Judge) -> None:
    """A reading that announces more messages than are on record proves no loss either."""
    builder, _ = chat()
    detail = {"complete": True, "messages": 1}
    for person in PEOPLE:
        builder.add("oracle_completed", READING_S, observer="oracle", recipient=person, detail=detail)
    found = verdict_on("acked_never_lost", builder.final_sync(*DEVICES))
    assert found == Judged(exercised=0, undecided=1)


def test_an_unknown_message_that_is_absent_is_not_lost(verdict_on: Judge) -> None:
    """Nobody acknowledged it, so nobody promised anything."""
    builder = HistoryBuilder().online(*DEVICES)
    builder.send("m1", 2.0, answers=("unknown",))
    found = verdict_on("acked_never_lost", builder.final_sync(*DEVICES).archive(PEOPLE, []))
    assert found == Judged(exercised=0)


def test_a_stored_message_that_a_device_never_got_is_a_gap(verdict_on: Judge) -> None:
    """The device followed its own cursor to the end and still lacks it."""
    builder, message = chat(live=("alice/laptop",))
    found = verdict_on("acked_never_lost", builder.final_sync(*DEVICES).archive(PEOPLE, [message]))
    assert kinds(found) == [("gap", "bob/phone")]


def test_a_message_pulled_by_a_sync_is_no_gap(verdict_on: Judge) -> None:
    """Live or pulled, it is there."""
    builder, message = chat(live=("alice/laptop",))
    builder.sync(message, "bob/phone", 40.9, (None, "1"))
    found = verdict_on("acked_never_lost", builder.final_sync(*DEVICES).archive(PEOPLE, [message]))
    assert found == Judged(exercised=1)


def test_a_device_that_never_synced_to_the_end_is_undecided(verdict_on: Judge) -> None:
    """It may still have been on its way to the message."""
    builder, message = chat(live=("alice/laptop",))
    found = verdict_on("acked_never_lost", builder.final_sync("alice/laptop").archive(PEOPLE, [message]))
    assert found == Judged(exercised=1, undecided=1)


def test_a_device_that_came_later_need_not_have_it(verdict_on: Judge) -> None:
    """Only devices that were there before the send are its audience."""
    builder, message = chat()
    builder.online("bob/tablet", at_s=3.0).final_sync(*DEVICES, "bob/tablet").archive(PEOPLE, [message])
    assert not verdict_on("acked_never_lost", builder).keys


def test_altered_content_is_found_on_a_device_and_in_the_archive(verdict_on: Judge) -> None:
    """A body that differs from the sent one is named with the place where it was seen."""
    builder, message = chat(live=("alice/laptop",))
    builder.live(message, "bob/phone", 2.02, body_digest="other").final_sync(*DEVICES)
    builder.archive(PEOPLE, [replace(message, body_digest="another")])
    assert kinds(verdict_on("acked_never_lost", builder)) == [("altered", ""), ("altered", "bob/phone")]


def test_what_is_older_than_the_retention_may_be_gone(verdict_on: Judge, promises: Promises) -> None:
    """A stack that keeps messages for ten seconds broke no promise after forty."""
    builder, _ = chat()
    short = Promises(durability=promises.durability, retention_s=10.0)
    builder.final_sync(*DEVICES).archive(PEOPLE, [])
    assert not verdict_on("acked_never_lost", builder, promises=short).keys
    assert verdict_on("acked_never_lost", builder).keys


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"client_message_id": "c-nobody"}, [("unsent", "bob/phone")]),
        ({"client_message_id": None, "message_id": "s-x", "body_digest": "x"}, [("unsent", "bob/phone")]),
        ({"client_message_id": None, "message_id": "s-x"}, []),
        ({"sender": "mallory"}, [("wrong_sender", "bob/phone")]),
        ({"body_digest": "body-nobody"}, [("unknown_body", "bob/phone")]),
        ({"device": "mallory/phone"}, []),
    ],
)
def test_nothing_appears_that_nobody_sent(
    verdict_on: Judge, changes: dict[str, str | None], expected: list[tuple[str, str]]
) -> None:
    """An unknown id, a body or sender that nobody used, a stranger's device: each is found, and only that."""
    builder, message = chat(live=("alice/laptop",))
    device = changes.pop("device", None) or "bob/phone"
    builder.live(message, device, 2.02, **changes)
    assert kinds(verdict_on("nothing_unsent", builder)) == expected


def test_a_message_of_a_send_without_answer_was_sent(verdict_on: Judge) -> None:
    """An attempt of unknown outcome may well have been stored."""
    builder = HistoryBuilder().online(*DEVICES)
    message = builder.send("m1", 2.0, answers=("unknown",))
    found = verdict_on("nothing_unsent", builder.live(message, "bob/phone", 2.02).archive(PEOPLE, [message]))
    assert found == Judged(exercised=1)


def test_what_was_refused_and_is_stored_is_found(verdict_on: Judge) -> None:
    """Every attempt was refused, yet the archive has it."""
    builder = HistoryBuilder().online(*DEVICES)
    message = builder.send("m1", 2.0, answers=("fail", "fail"))
    assert kinds(verdict_on("refused_never_stored", builder.archive(PEOPLE, [message]))) == [("refused", "")]


def test_one_doubtful_attempt_excuses_a_stored_message(verdict_on: Judge) -> None:
    """Refused once and once without answer: the second may have stored it."""
    builder = HistoryBuilder().online(*DEVICES)
    message = builder.send("m1", 2.0, answers=("fail", "unknown"))
    assert verdict_on("refused_never_stored", builder.archive(PEOPLE, [message])) == Judged(exercised=0)


def test_a_refused_message_that_is_absent_is_exercised(verdict_on: Judge) -> None:
    """This is what the promise is about; without a complete reading it stays undecided."""
    builder = HistoryBuilder().online(*DEVICES)
    builder.send("m1", 2.0, answers=("fail",))
    assert verdict_on("refused_never_stored", builder) == Judged(exercised=0, undecided=1)
    assert verdict_on("refused_never_stored", builder.archive(PEOPLE, [])) == Judged(exercised=1)


def test_one_of_hundreds_who_misses_a_message_is_named(verdict_on: Judge) -> None:
    """In a large group each member is in the audience: one archive without the message and one deaf phone are found."""
    people = [f"p{number:04d}" for number in range(1, 301)]
    devices = [f"{name}/phone" for name in people]
    builder = HistoryBuilder().online(*devices).group("g:hot", *people)
    first, second = (builder.send(f"m{n}", 2.0 + n, device=devices[0], to=None, conversation="g:hot") for n in (1, 2))
    for device in devices[1:]:
        builder.live(first, device, 3.02)
        if device != "p0123/phone":
            builder.live(second, device, 4.02)
    builder.final_sync(*devices).archive(people[:-1], [first, second]).archive(people[-1:], [second])
    found = verdict_on("acked_never_lost", builder)
    assert found.exercised == 2
    assert kinds(found) == [("gap", "p0123/phone"), ("lost", "")]
