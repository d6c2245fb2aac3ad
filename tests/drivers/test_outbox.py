"""The correct client over scripted connections, in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections import deque

import pytest

from harness.drivers.api import Accepted, Refused, Unknown
from harness.drivers.outbox import Outbox
from harness.testing.clients import Line, PlayOutbox, Wire, submit, to_bob, told
from harness.testing.scripted import NEVER, Answer, ScriptedSession, accepted


def test_an_accepted_message_has_a_beginning_and_an_end(play: PlayOutbox) -> None:
    """Both events carry all that a check needs to follow the message, and never its text."""
    started, answered = play(Wire(ScriptedSession()), submit(1))
    common: Line = {
        "op": "c1",
        "client_message_id": "c1",
        "sender": "alice",
        "recipient": "bob",
        "device": "alice/phone",
    }
    common |= {"link": "client->chat", "connection": "c1", "attempt": 1, "conversation_id": "alice+bob"}
    assert started.items() >= (common | {"event": "client_send_started", "intended_ns": 7}).items()
    assert answered.items() >= (common | {"event": "server_accepted", "outcome": "ok", "message_id": "m-c1"}).items()
    assert started["body_digest"]
    assert "text 1" not in json.dumps([started, answered])


def test_a_lost_answer_is_asked_for_again_under_the_same_id(play: PlayOutbox) -> None:
    """After a second of silence the outcome is unknown, the connection is dropped, and the id stays."""
    first, second = ScriptedSession("c1", answers=deque([NEVER])), ScriptedSession("c2")
    wire = Wire(first, second)
    lines = play(wire, submit(1))
    assert told(lines) == [
        ("client_send_started", 1, None),
        ("client_send_failed", 1, "unknown"),
        ("client_retry_scheduled", 2, None),
        ("client_send_started", 2, None),
        ("server_accepted", 2, "ok"),
    ]
    assert (lines[1]["mono_ns"] - lines[0]["mono_ns"]) / 1e9 == pytest.approx(1.0)
    assert wire.drops == ["ack_timeout"]
    assert first.closed == [True]
    assert first.sent == [("c1", 1)]
    assert second.sent == [("c1", 2)]


def test_a_message_waits_for_the_one_before_it(play: PlayOutbox) -> None:
    """Whatever happens to the first, the second of a conversation never overtakes it."""
    session = ScriptedSession(answers=deque([Unknown("http_503", http_status=503)] * 3))
    play(Wire(session), submit(1, 2))
    assert session.sent == [("c1", 1), ("c1", 2), ("c1", 3), ("c1", 4), ("c2", 1)]


def test_conversations_do_not_wait_for_each_other(play: PlayOutbox) -> None:
    """One that is stuck holds up nobody else."""
    session = ScriptedSession(answers=deque([NEVER]))

    async def scene(outbox: Outbox) -> None:
        outbox.submit(to_bob(1, "alice+bob"), intended_ns=0)
        outbox.submit(to_bob(2, "alice+carol"), intended_ns=0)
        await asyncio.sleep(0.5)
        assert (outbox.pending, outbox.in_flight) == (1, 1)
        assert session.sent == [("c1", 1), ("c2", 1)]

    play(Wire(session), scene)


def test_a_final_refusal_is_not_repeated(play: PlayOutbox) -> None:
    """What the service will never take is shown to the user as failed, and the next message goes out."""
    session = ScriptedSession(answers=deque([Refused("unknown_recipient", http_status=404)]))
    lines = play(Wire(session), submit(1, 2))
    assert told(lines)[1] == ("client_send_failed", 1, "fail")
    assert lines[1]["detail"] == {"final": True}
    assert session.sent == [("c1", 1), ("c2", 1)]


def test_retry_after_is_obeyed(play: PlayOutbox) -> None:
    """The service's own wish is the least wait, and both are on record."""
    refusal = Refused("rate_limited", http_status=429, retry_after_ms=3000)
    wire = Wire(ScriptedSession(answers=deque([refusal])))
    lines = play(wire, submit(1))
    scheduled = lines[3]
    assert scheduled["retry_after_ms"] == 3000
    assert 3000 <= scheduled["delay_ms"] <= 3100
    assert lines[4]["mono_ns"] - scheduled["mono_ns"] >= 3_000_000_000
    assert wire.drops == []


def test_an_expired_login_takes_a_new_connection(play: PlayOutbox) -> None:
    """401 is retried, but never with the same credential."""
    wire = Wire(ScriptedSession(answers=deque([Refused("token_expired", http_status=401)])))
    lines = play(wire, submit(1))
    assert wire.drops == ["token_expired"]
    assert told(lines)[-1] == ("server_accepted", 2, "ok")


def test_without_a_connection_a_send_fails_once_and_then_waits(play: PlayOutbox) -> None:
    """The user sees that it did not go out; the client does not spin while it cannot send."""
    lines = play(Wire(), submit(1))
    assert told(lines) == [
        ("client_send_started", 1, None),
        ("client_send_failed", 1, "fail"),
        ("client_retry_scheduled", 2, None),
        ("client_send_started", 2, None),
        ("server_accepted", 2, "ok"),
    ]
    assert lines[1]["error_code"] == "not_connected"
    assert "connection" not in lines[0]


@pytest.mark.parametrize(
    ("answers", "outcome"), [([NEVER], "unknown"), ([Refused("rate_limited", http_status=429)] * 99, "fail")]
)
def test_giving_up_says_what_is_known(play: PlayOutbox, answers: list[Answer], outcome: str) -> None:
    """A message that may have arrived is unknown; one that was always refused has failed; one never tried, too."""

    async def scene(outbox: Outbox) -> None:
        outbox.submit(to_bob(1), intended_ns=0)
        outbox.submit(to_bob(2), intended_ns=0)
        await asyncio.sleep(0.5)
        outbox.give_up()
        assert outbox.pending == 0
        outbox.submit(to_bob(3), intended_ns=0)

    lines = play(Wire(ScriptedSession(answers=deque(answers))), scene)
    final = [line for line in lines if line.get("detail") == {"final": True}]
    assert [(line["op"], line["outcome"]) for line in final] == [("c1", outcome), ("c2", "fail")]
    assert "attempt" not in final[1]
    assert "c3" not in {line["op"] for line in lines}


def test_doubt_stays_with_a_message(play: PlayOutbox) -> None:
    """After one unknown attempt later refusals do not make a message certainly absent."""
    answers: list[Answer] = [Unknown("http_503", http_status=503), *[Refused("rate_limited", http_status=429)] * 99]

    async def scene(outbox: Outbox) -> None:
        outbox.submit(to_bob(1), intended_ns=0)
        await asyncio.sleep(5)

    lines = play(Wire(ScriptedSession(answers=deque(answers))), scene)
    assert lines[-1]["detail"] == {"final": True}
    assert lines[-1]["outcome"] == "unknown"


def test_waits_grow_and_stay_bounded_through_a_long_outage(play: PlayOutbox) -> None:
    """Ten minutes of a sick service bring about one attempt a second, not a storm."""
    session = ScriptedSession(answers=deque([Unknown("http_503", http_status=503)] * 10_000))

    async def scene(outbox: Outbox) -> None:
        outbox.submit(to_bob(1), intended_ns=0)
        await asyncio.sleep(600)

    delays = [line["delay_ms"] for line in play(Wire(session), scene) if line["event"] == "client_retry_scheduled"]
    assert 300 < len(delays) < 1000
    assert max(delays[:2]) <= 200 < max(delays) <= 2000


def test_a_scripted_acceptance_names_its_message() -> None:
    """The helper that these tests stand on answers for the message it was given."""
    assert accepted(to_bob(5)) == Accepted("m-c5", "alice+bob", conversation_seq=1)
