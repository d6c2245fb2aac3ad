"""push_notified, push_token_dropped, push_isolated: each rule fires, and is silent on the nearest legal history."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.checks.oracles import Judged
from harness.testing.histories import HistoryBuilder, Message

Judge = Callable[..., Judged]
BOB = "bob/phone"


def away(*, left_s: float = 3.0, push: bool = True) -> HistoryBuilder:
    """Bob's phone has left with a push token registered."""
    builder = HistoryBuilder().online("alice/phone", BOB)
    if push:
        builder.push_token(BOB, 0.5)
    return builder.offline(BOB, left_s)


def write(builder: HistoryBuilder, *at_s: float) -> list[Message]:
    """Alice writes to Bob."""
    return [builder.send(f"m{at:g}", at) for at in at_s]


def kinds(found: Judged) -> list[tuple[str, str]]:
    """What was found, as kind and message."""
    return sorted((kind, message_id) for kind, _, message_id, _ in found.keys)


@pytest.mark.parametrize(("pushed_s", "expected"), [(5.1, None), (8.0, None), (8.1, "late"), (None, "not_pushed")])
def test_a_device_that_is_away_is_notified_in_time(
    verdict_on: Judge, pushed_s: float | None, expected: str | None
) -> None:
    """Three seconds after the acknowledgement of 5.01."""
    builder = away()
    (message,) = write(builder, 5.0)
    if pushed_s is not None:
        builder.push(message, BOB, pushed_s, "accepted_never_shown")
    found = verdict_on("push_notified", builder)
    assert found.exercised == 1
    assert kinds(found) == ([(expected, "s-m5")] if expected else [])


@pytest.mark.parametrize(
    "builder",
    [
        pytest.param(away(push=False), id="without a push token"),
        pytest.param(away(left_s=4.8), id="just left"),
        pytest.param(away().online(BOB, at_s=5.5), id="came back at once"),
        pytest.param(away(left_s=30.0), id="connected"),
        pytest.param(away().fault("hole", 2.5, 6.0, kind="network.blackhole"), id="its good-bye was swallowed"),
        pytest.param(away().change("block", "bob", "alice", 1.0, 1.1), id="blocked the sender"),
    ],
)
def test_nobody_else_is_owed_a_push(verdict_on: Judge, builder: HistoryBuilder) -> None:
    """The service may rightly take the device for connected, or the message for none of its business."""
    write(builder, 5.0)
    assert verdict_on("push_notified", builder) == Judged(exercised=0)


@pytest.mark.parametrize(
    ("reader", "read_s", "owed"),
    [("bob/laptop", 7.9, False), ("bob/laptop", 8.1, True), ("carol/phone", 7.9, True)],
    ids=["read elsewhere", "read too late", "read by somebody else"],
)
def test_what_was_read_on_another_device_needs_no_push(
    verdict_on: Judge, reader: str, read_s: float, *, owed: bool
) -> None:
    """A service that has the mark may drop the push of a message that its person knows; due by 8.01."""
    builder = away()
    (message,) = write(builder, 5.0)
    builder.read(message, reader, read_s)
    assert kinds(verdict_on("push_notified", builder)) == ([("not_pushed", "s-m5")] if owed else [])


@pytest.mark.parametrize(("read", "owed"), [("c-m5.2", ["s-m5.4"]), ("c-else", ["s-m5", "s-m5.2", "s-m5.4"])])
def test_who_reads_a_message_has_read_what_stands_before_it(verdict_on: Judge, read: str, owed: list[str]) -> None:
    """A receipt of Matrix covers all before it in its room: the service drops those pushes too, and those alone."""
    builder = away()
    messages = write(builder, 5.0, 5.2, 5.4)
    elsewhere = builder.send("else", 5.3, device="carol/phone", conversation="c2", seq=9)
    builder.read(next(one for one in [*messages, elsewhere] if one.client_message_id == read), "bob/laptop", 7.9)
    builder.push(elsewhere, BOB, 5.4).archive(["alice", "bob", "carol"], [*messages, elsewhere])
    assert [message_id for _, message_id in kinds(verdict_on("push_notified", builder))] == owed


def test_the_own_devices_of_the_sender_are_not_notified(verdict_on: Judge) -> None:
    """Alice's laptop is away and has a token; she knows what she wrote."""
    builder = HistoryBuilder().online("alice/phone", "alice/laptop").push_token("alice/laptop", 0.5)
    write(builder.offline("alice/laptop", 1.0), 5.0)
    assert verdict_on("push_notified", builder) == Judged(exercised=0)


def test_a_failed_push_is_tried_again(verdict_on: Judge) -> None:
    """Given up after one failure: the provider would have taken it."""
    builder = away()
    first, second = write(builder, 5.0, 6.0)
    builder.push(first, BOB, 5.1, "server_error").push(second, BOB, 6.1)
    assert kinds(verdict_on("push_notified", builder)) == [("not_pushed", "s-m5")]
    builder.push(first, BOB, 5.5)
    assert verdict_on("push_notified", builder) == Judged(exercised=2)


def test_waits_may_grow_with_an_outage(verdict_on: Judge) -> None:
    """Failed for four seconds: the next attempt may take as long again, and what was asked for on top."""
    builder = away().fault("down", 4.0, 9.0, kind="push.reject")
    (message,) = write(builder, 5.0)
    for at_s in (5.1, 6.0, 9.0):
        builder.push(message, BOB, at_s, "throttled", retry_after_ms=1000)
    builder.push(message, BOB, 20.7)
    assert verdict_on("push_notified", builder) == Judged(exercised=1)


@pytest.mark.parametrize("answers", [("unregistered",), ("bad_request",), ("server_error",) * 6])
def test_nothing_is_owed_once_a_push_is_hopeless(verdict_on: Judge, answers: tuple[str, ...]) -> None:
    """The token is gone, the request is wrong, or it has been tried often enough."""
    builder = away()
    (message,) = write(builder, 5.0)
    for number, answer in enumerate(answers):
        facts = {"http_status": 400} if answer == "bad_request" else {}
        builder.push(message, BOB, 5.1 + number * 0.1, answer, **facts)
    assert verdict_on("push_notified", builder) == Judged(exercised=0)


def test_a_provider_that_was_held_up_convicts_nobody(verdict_on: Judge) -> None:
    """Its record may be late, not the push."""
    builder = away()
    write(builder, 5.0)
    builder.add("recorder_stall", 7.0, observer="provider", writer="unipush-1-1", detail={"took_ms": 900.0})
    assert verdict_on("push_notified", builder) == Judged(exercised=0, undecided=1)


@pytest.mark.parametrize(("again_s", "broken"), [(6.0, False), (6.2, True)])
def test_a_token_that_is_gone_is_not_used_again(verdict_on: Judge, again_s: float, broken: bool) -> None:
    """Told at 5.1; a second is given to what was under way."""
    builder = away()
    first, second = write(builder, 5.0, 5.5)
    builder.push(first, BOB, 5.1, "unregistered").push(second, BOB, again_s, "unregistered")
    found = verdict_on("push_token_dropped", builder)
    assert found.exercised == 1
    assert kinds(found) == ([("used_again", "s-m5.5")] if broken else [])


def test_a_token_that_was_registered_anew_may_be_used(verdict_on: Judge) -> None:
    """The device says that it is good."""
    builder = away()
    first, second = write(builder, 5.0, 8.0)
    builder.push(first, BOB, 5.1, "unregistered").push_token(BOB, 7.0).push(second, BOB, 8.1)
    assert not verdict_on("push_token_dropped", builder).keys


def test_an_answer_that_may_have_been_lost_binds_nobody(verdict_on: Judge) -> None:
    """The line to the provider was broken when it told that the token is gone."""
    builder = away().fault("cut", 5.05, 6.0, kind="network.downstream_blackhole")
    first, second = write(builder, 5.0, 8.0)
    builder.push(first, BOB, 5.1, "unregistered").push(second, BOB, 8.1, "unregistered")
    assert not verdict_on("push_token_dropped", builder).keys


@pytest.mark.parametrize("answer", ["throttled", "server_error", "hang"])
def test_a_token_that_only_failed_stays_in_use(verdict_on: Judge, answer: str) -> None:
    """Two later messages, and nobody asked the provider: dropped for the wrong answer, and that is one finding."""
    builder = away()
    first, second, third = write(builder, 5.0, 7.0, 9.0)
    builder.push(first, BOB, 5.1, answer)
    found = verdict_on("push_token_dropped", builder)
    assert found.exercised == 2
    assert kinds(found) == [("dropped_needlessly", "s-m7"), ("dropped_needlessly", "s-m9")]
    assert not verdict_on("push_notified", builder).keys
    builder.push(third, BOB, 9.1).push(second, BOB, 9.2).push(first, BOB, 9.3)
    assert not verdict_on("push_token_dropped", builder).keys


def stored(*, by: tuple[str, ...] = ("alice", "bob"), got: bool = True) -> tuple[HistoryBuilder, Message]:
    """A message to Bob, who is away, of which a push fails; then everything is read."""
    builder = away()
    (message,) = write(builder, 5.0)
    builder.push(message, BOB, 5.1, "unregistered").online(BOB, at_s=20.0)
    if got:
        builder.sync(message, BOB, 20.1, (None, "1"))
    for person in ("alice", "bob"):
        builder.archive([person], [message] if person in by else [])
    return builder.final_sync("alice/phone", BOB), message


@pytest.mark.parametrize(
    ("by", "got", "expected"),
    [
        (("alice", "bob"), True, []),
        (("alice",), True, [("not_stored", "s-m5")]),
        (("alice", "bob"), False, [("not_synced", "s-m5")]),
    ],
)
def test_a_message_outlives_its_failed_push(
    verdict_on: Judge, by: tuple[str, ...], got: bool, expected: list[tuple[str, str]]
) -> None:
    """It stays stored for everybody, and is on the device after its next sync."""
    builder, _ = stored(by=by, got=got)
    found = verdict_on("push_isolated", builder)
    assert (found.exercised, kinds(found)) == (1, expected)


def test_a_message_that_was_taken_as_a_push_is_not_looked_at(verdict_on: Judge) -> None:
    """What becomes of it is the affair of other checks."""
    builder = away()
    (message,) = write(builder, 5.0)
    builder.push(message, BOB, 5.1).archive(["alice", "bob"], [])
    assert verdict_on("push_isolated", builder) == Judged(exercised=0)


def test_a_pushed_message_is_not_refused(verdict_on: Judge) -> None:
    """The sender was told that it failed, because its push did; the archive still has it."""
    builder = away()
    message = builder.send("m1", 5.0, answers=("fail",))
    builder.push(message, BOB, 5.1, "server_error").archive(["alice", "bob"], [message])
    assert kinds(verdict_on("push_isolated", builder)) == [("refused", "s-m1")]


def test_a_pushed_message_does_not_vanish(verdict_on: Judge) -> None:
    """Only the provider ever heard of it: it was stored, pushed and taken back."""
    builder = away()
    message = builder.send("m1", 5.0, answers=("unknown",))
    builder.push(message, BOB, 5.1, "server_error").archive(["alice", "bob"], [])
    assert kinds(verdict_on("push_isolated", builder)) == [("vanished", "s-m1")]
