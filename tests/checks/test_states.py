"""transitions, sent_not_delivered and recovered: each rule fires, and is silent on the nearest legal history."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest

from harness.checks.oracles import Judged
from harness.core.axes import PRECEDENCES, TRANSITIONS, Axis, printable
from harness.core.events import EVENT_NAMES
from harness.core.stack import Promises
from harness.testing.histories import HistoryBuilder, Message

Judge = Callable[..., Judged]


def online() -> HistoryBuilder:
    """Alice and Bob with a phone each."""
    return HistoryBuilder().online("alice/phone", "bob/phone")


def kinds(found: Judged) -> list[tuple[str, str]]:
    """What was found, as kind and device."""
    return sorted((kind, device) for kind, _, _, device in found.keys)


def test_a_full_life_passes_every_transition(verdict_on: Judge) -> None:
    """Received, reported, opened, reported: all in order."""
    builder = online()
    message = builder.send("m1", 2.0)
    builder.live(message, "bob/phone", 2.02).receipt("delivered", message, "bob", 2.03)
    builder.read(message, "bob/phone", 2.04).receipt("read", message, "bob", 2.05)
    assert verdict_on("transitions", builder) == Judged(exercised=1)


@pytest.mark.parametrize(
    ("state", "check", "kind"),
    [("delivered", "sent_not_delivered", "false_delivery"), ("read", "transitions", "false_read")],
)
@pytest.mark.parametrize("came_s", [None, 2.5])
def test_a_receipt_before_anybody_got_the_message_is_false(
    verdict_on: Judge, state: Literal["delivered", "read"], check: str, kind: str, came_s: float | None
) -> None:
    """Whether the message never came or came later, the claim was not true when it was made."""
    builder = online()
    message = builder.send("m1", 2.0)
    builder.receipt(state, message, "bob", 2.1)
    if came_s is not None:
        builder.live(message, "bob/phone", came_s)
    assert kinds(verdict_on(check, builder)) == [(kind, "alice/phone")]


def test_a_delivery_that_a_device_recorded_may_be_shown(verdict_on: Judge) -> None:
    """Delivered to any device of the recipient; what the sender's own devices got proves nothing."""
    builder = online().online("alice/laptop", "bob/tablet")
    message = builder.send("m1", 2.0)
    builder.live(message, "bob/tablet", 2.02).receipt("delivered", message, "bob", 2.03)
    assert verdict_on("sent_not_delivered", builder) == Judged(exercised=1)
    other = builder.send("m2", 3.0)
    builder.live(other, "alice/laptop", 3.02).receipt("delivered", other, "bob", 3.03)
    assert kinds(verdict_on("sent_not_delivered", builder)) == [("false_delivery", "alice/phone")]


@pytest.mark.parametrize("came_s", [None, 2.01, 4.0])
def test_what_a_client_claims_of_its_own_accord_is_judged_too(verdict_on: Judge, came_s: float | None) -> None:
    """The second check mark at the acknowledgement: true only if a device of somebody else had got the message."""
    builder = online()
    message = builder.send("m1", 2.0, to=None)
    builder.add("delivery_receipt_received", 2.02, device="alice/phone", message_id="s-m1", detail={"claimed": True})
    if came_s is not None:
        builder.live(message, "bob/phone", came_s)
    expected = [] if came_s == 2.01 else [("claimed", "alice/phone")]
    assert kinds(verdict_on("sent_not_delivered", builder)) == expected


def test_receipts_of_a_message_without_acknowledgement_are_true(verdict_on: Judge) -> None:
    """A receipt names the server's id only; the device that got the message knows which send that was."""
    builder = online()
    message = builder.send("m1", 2.0, answers=("unknown",))
    builder.live(message, "bob/phone", 2.02).receipt("delivered", message, "bob", 2.03)
    assert not verdict_on("transitions", builder).keys


def test_any_device_of_the_person_makes_a_receipt_true(verdict_on: Judge) -> None:
    """Bob's tablet got it by a sync; his phone did not."""
    builder = online().online("bob/tablet")
    message = builder.send("m1", 2.0)
    builder.sync(message, "bob/tablet", 2.02, (None, "1")).receipt("delivered", message, "bob", 2.1)
    assert not verdict_on("transitions", builder).keys


def test_a_message_cannot_be_opened_where_it_is_not(verdict_on: Judge) -> None:
    """Opened on a device that had not got it; its sender's device has it without receiving."""
    builder = online()
    message = builder.send("m1", 2.0)
    builder.read(message, "alice/phone", 2.1)
    assert not verdict_on("transitions", builder).keys
    builder.read(message, "bob/phone", 2.1)
    assert kinds(verdict_on("transitions", builder)) == [("read_before_received", "bob/phone")]


def test_read_is_owed_an_opening_by_those_whose_openings_are_recorded(verdict_on: Judge) -> None:
    """Bob opens messages on record, but not this one; a person without any such record is not judged."""
    builder = online()
    first, second = builder.send("m1", 2.0), builder.send("m2", 3.0)
    builder.live(first, "bob/phone", 2.02).live(second, "bob/phone", 3.02).receipt("read", second, "bob", 3.1)
    assert not verdict_on("transitions", builder).keys
    builder.read(first, "bob/phone", 2.1)
    assert kinds(verdict_on("transitions", builder)) == [("read_unopened", "alice/phone")]


def test_an_acknowledgement_after_a_final_refusal_needs_another_attempt(verdict_on: Judge) -> None:
    """Refused for good and then acknowledged is a contradiction, unless the user tried again."""
    builder = online()
    message = builder.send("m1", 2.0, answers=("fail",))
    builder.give_up(message, 2.1, "fail").acknowledge(message, 3.0)
    assert kinds(verdict_on("transitions", builder)) == [("accepted_after_refusal", "alice/phone")]
    builder.attempt(message, 2, 2.5, None)
    assert not verdict_on("transitions", builder).keys


def test_giving_up_in_doubt_allows_a_late_acknowledgement(verdict_on: Judge) -> None:
    """The client did not know, so it cannot be contradicted."""
    builder = online()
    message = builder.send("m1", 2.0, answers=("unknown",))
    builder.give_up(message, 2.1, "unknown").acknowledge(message, 3.0)
    assert not verdict_on("transitions", builder).keys


def cut() -> tuple[HistoryBuilder, Message]:
    """A fault until second 12, and a message accepted at second 13 that Bob's connected phone should get."""
    builder = online().fault("cut", 5.0, 12.0).final_sync("alice/phone", "bob/phone")
    return builder, builder.send("m1", 13.0)


@pytest.mark.parametrize(("came_s", "late"), [(13.1, False), (16.0, False), (16.1, True), (None, True)])
def test_a_connected_device_gets_a_message_in_time(verdict_on: Judge, came_s: float | None, late: bool) -> None:
    """Three seconds are promised; the acknowledgement came 10 ms after second 13."""
    builder, message = cut()
    if came_s is not None:
        builder.live(message, "bob/phone", came_s)
    found = verdict_on("recovered", builder)
    assert found.exercised == 1
    assert kinds(found) == ([("late", "bob/phone")] if late else [])


@pytest.mark.parametrize(
    ("complete", "kept_s", "late"),
    [(True, math.inf, []), (False, math.inf, [("late", "bob/phone")]), (True, 1.0, [("late", "bob/phone")])],
    ids=["lost", "reading cut short", "no longer kept"],
)
def test_what_is_lost_for_good_is_not_also_late(
    verdict_on: Judge, promises: Promises, complete: bool, kept_s: float, late: list[tuple[str, str]]
) -> None:
    """Its loss is the finding of acked_never_lost; nothing but a complete reading in time tells that it is lost."""
    builder, message = cut()
    builder.archive(["alice"], [message]).archive(["bob"], [], complete=complete)
    assert kinds(verdict_on("recovered", builder, promises=replace(promises, retention_s=kept_s))) == late


def test_time_runs_from_the_last_heal_for_what_waited(verdict_on: Judge) -> None:
    """A message accepted during the fault has three seconds from its end."""
    builder = online().fault("cut", 5.0, 12.0)
    message = builder.send("m1", 6.0)
    assert not verdict_on("recovered", builder.live(message, "bob/phone", 14.9)).keys


def test_a_device_without_a_lasting_connection_is_not_owed_in_time_delivery(verdict_on: Judge) -> None:
    """Time runs from its connection, and only while it lasts."""
    builder, _ = cut()
    assert kinds(verdict_on("recovered", builder.lose("bob/phone", 15.0))) == []
    assert kinds(verdict_on("recovered", builder.connect("bob/phone", 18.0))) == [("late", "bob/phone")]


def test_a_witness_that_was_held_up_convicts_nobody(verdict_on: Judge) -> None:
    """The recorder stalled while the message was due: undecided."""
    builder, _ = cut()
    found = verdict_on("recovered", builder.add("generator_lag", 15.0, detail={"max_lag_ms": 1500.0}))
    assert found == Judged(exercised=1, undecided=1)


@pytest.mark.parametrize("lag_ms", [20.0, 900.0])
def test_a_small_lag_excuses_nothing(verdict_on: Judge, lag_ms: float) -> None:
    """The usual lag of a busy machine does not make late what is on time, or the other way round."""
    builder, _ = cut()
    assert verdict_on("recovered", builder.add("generator_lag", 15.0, detail={"max_lag_ms": lag_ms})).keys


def test_a_sender_must_get_an_answer_after_the_heal(verdict_on: Judge) -> None:
    """Still without acknowledgement ten seconds later, though its client went on trying."""
    builder = online().fault("cut", 5.0, 12.0)
    message = builder.send("m1", 11.0, answers=("unknown", "unknown", "unknown", "unknown"))
    assert kinds(verdict_on("recovered", builder)) == [("not_accepted", "alice/phone")]
    assert not verdict_on("recovered", builder, recover_within_s=60.0).keys
    assert not verdict_on("recovered", builder.acknowledge(message, 15.0, attempt=4)).keys


def test_a_sender_that_stopped_trying_or_left_is_owed_nothing(verdict_on: Judge) -> None:
    """A client without retries whose only attempt fell into the fault cannot recover; nor can one that is away."""
    builder = online().fault("cut", 5.0, 12.0)
    builder.send("m1", 6.0, answers=("unknown",))
    assert not verdict_on("recovered", builder).keys
    builder = online().fault("cut", 5.0, 12.0)
    builder.send("m1", 13.0, answers=("unknown",))
    assert verdict_on("recovered", builder).keys
    assert not verdict_on("recovered", builder.offline("alice/phone", 14.0)).keys


def test_the_table_of_transitions_is_complete_and_printable() -> None:
    """Every axis has a first step, every rule and step names known events, and the print shows them all."""
    text = printable()
    for axis in Axis:
        assert any(step.axis is axis and not step.source for step in TRANSITIONS)
        assert str(axis) in text
    events = {name for step in TRANSITIONS for name in step.events}
    events |= {name for rule in PRECEDENCES for name in (rule.later, *rule.earlier)}
    assert events <= EVENT_NAMES
    assert all(rule.later in text for rule in PRECEDENCES)
