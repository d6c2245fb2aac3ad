"""server_time and client_clock: whose clock may say what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.checks.oracles import Judged
from harness.core.stack import Order, Promises
from harness.testing.histories import HistoryBuilder, Message

Judge = Callable[..., Judged]
DEVICES = ("alice/phone", "alice/laptop", "bob/phone")
PEOPLE = ("alice", "bob")


def kinds(found: Judged) -> list[tuple[str, str]]:
    """What was found, as kind and message."""
    return sorted((kind, message) for kind, message, _, _ in found.keys)


@pytest.mark.parametrize(("step_ms", "broken"), [(-1000, False), (0, False), (1, True), (3_600_000, True)])
def test_the_time_of_the_service_never_steps_back(verdict_on: Judge, step_ms: int, broken: bool) -> None:
    """The second message carries the time of the first, less a step: equal will do, earlier will not."""
    builder = HistoryBuilder().online(*DEVICES)
    first, second = builder.send("m1", 2.0), builder.send("m2", 3.0)
    moved = replace(second, server_time_ns=first.server_time_ns - step_ms * 1_000_000)
    other = HistoryBuilder().online(*DEVICES)
    other.attempt(first, 1, 2.0, "ok").attempt(moved, 1, 3.0, "ok").archive(PEOPLE, [first, moved])
    found = verdict_on("server_time", other)
    assert (found.exercised, kinds(found)) == (1, [("stepped_back", "c-m2")] if broken else [])


def test_times_of_different_conversations_are_not_compared(verdict_on: Judge) -> None:
    """Each has a clock of its own."""
    builder = HistoryBuilder().online(*DEVICES)
    first = builder.send("m1", 2.0, conversation="c1")
    second = replace(builder.send("m2", 3.0, conversation="c2", answers=()), server_time_ns=first.server_time_ns - 1)
    assert verdict_on("server_time", builder.attempt(second, 1, 3.0, "ok")) == Judged(exercised=0)


def test_a_message_in_the_wrong_place_is_not_in_the_wrong_time(verdict_on: Judge) -> None:
    """Acknowledged before the other began, and yet behind it: its time is right, its place is a matter of order."""
    builder = HistoryBuilder().online(*DEVICES)
    builder.send("m1", 2.0, seq=9)
    builder.send("m2", 3.0, seq=4)
    assert not verdict_on("server_time", builder).keys


def conversation(*, seqs: tuple[int, int], ahead_s: float = 300.0) -> tuple[HistoryBuilder, list[Message]]:
    """Alice writes from a laptop whose clock is wrong, and then Bob answers."""
    builder = HistoryBuilder().online(*DEVICES).set_clock("alice/laptop", ahead_s)
    messages = [
        builder.send("m1", 2.0, device="alice/laptop", seq=seqs[0]),
        builder.send("m2", 3.0, device="bob/phone", to="alice", seq=seqs[1]),
    ]
    return builder.archive(PEOPLE, messages), messages


@pytest.mark.parametrize(
    ("seqs", "ahead_s", "expected"),
    [
        ((1, 2), 300.0, Judged(exercised=1)),
        ((2, 1), 300.0, Judged(exercised=1, keys=frozenset({("by_client_clock", "c-m2", "s-m2", "")}))),
        ((2, 1), 0.0, Judged(exercised=0)),
        ((1, 2), -300.0, Judged(exercised=0)),
    ],
)
def test_a_wrong_clock_does_not_move_a_message(
    verdict_on: Judge, seqs: tuple[int, int], ahead_s: float, expected: Judged
) -> None:
    """Only where the clocks say otherwise than the acknowledgements can they be seen to decide."""
    builder, _ = conversation(seqs=seqs, ahead_s=ahead_s)
    assert verdict_on("client_clock", builder) == expected


@pytest.mark.parametrize(("order", "judged"), [("conversation", 1), ("sender", 0)])
def test_only_the_promised_order_is_judged(verdict_on: Judge, promises: Promises, order: Order, judged: int) -> None:
    """A stack that keeps the order of one device only may put Bob's answer first."""
    builder, _ = conversation(seqs=(2, 1))
    own = Promises(order=order, retention_s=promises.retention_s)
    found = verdict_on("client_clock", builder, promises=own)
    assert (found.exercised, len(found.keys)) == (judged, judged)


def test_a_message_that_had_to_wait_is_not_dated_wrongly(verdict_on: Judge) -> None:
    """Written at 2, it could leave at 5 only: its time is right, and whoever puts it first does not go by clocks."""
    builder = HistoryBuilder().online(*DEVICES)
    quick = builder.send("m1", 3.0, device="bob/phone", to="alice", seq=2)
    waited = replace(builder.send("m2", 2.0, seq=1, answers=()), answered_s=5.01)
    builder.attempt(waited, 1, 5.0, "ok").archive(PEOPLE, [quick, waited])
    assert verdict_on("client_clock", builder) == Judged(exercised=0)
    assert kinds(verdict_on("order", builder)) == [("archive", "c-m2")]
