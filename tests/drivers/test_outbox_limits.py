"""An outbox that meets limits and dead tokens, over both transports, and the naive ones; in virtual time."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from itertools import pairwise

import pytest

from harness.core.errors import UsageError
from harness.core.plan import Transport
from harness.drivers.api import Outgoing, Refused, Unknown
from harness.drivers.defects import DEFECTS
from harness.drivers.naive import habits
from harness.drivers.outbox import Outbox
from harness.testing.clients import Line, PlayOutbox, Wire, submit, to_bob, told
from harness.testing.scripted import NEVER, ScriptedSession


def over_http(number: int = 1, conversation: str = "alice+bob") -> Outgoing:
    """A message that goes by a request of its own."""
    return replace(to_bob(number, conversation), over="http")


def sends(lines: list[Line]) -> list[Line]:
    """The beginnings of attempts."""
    return [line for line in lines if line["event"] == "client_send_started"]


def test_a_limit_is_named_beside_the_failure(play: PlayOutbox) -> None:
    """Which operation met it, and how long the service asked to wait."""
    refusal = Refused("rate_limited", http_status=429, retry_after_ms=1000)
    lines = play(Wire(ScriptedSession(answers=deque([refusal]))), submit(1))
    (limited,) = [line for line in lines if line["event"] == "rate_limited"]
    assert limited.items() >= {"op": "c1", "attempt": 1, "retry_after_ms": 1000, "device": "alice/phone"}.items()


def test_a_limit_holds_up_everything_the_device_has_to_say(play: PlayOutbox) -> None:
    """Another conversation asks as little during the wait as the one that was refused."""
    refusal = Refused("rate_limited", http_status=429, retry_after_ms=3000)
    session = ScriptedSession(answers=deque([refusal]))

    async def scene(outbox: Outbox) -> None:
        outbox.submit(to_bob(1), intended_ns=0)
        await asyncio.sleep(1)
        outbox.submit(to_bob(2, "alice+carol"), intended_ns=0)
        await asyncio.sleep(10)

    starts = {line["op"]: line["mono_ns"] / 1e9 for line in sends(play(Wire(session), scene))}
    assert starts["c2"] == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize("over", ["http", "websocket"])
def test_a_send_refused_for_its_token_is_repeated_once_at_once(play: PlayOutbox, over: Transport) -> None:
    """With the new token and without a wait; a second refusal is met like any other failure."""
    refusals = [Refused("token_expired", http_status=401)] * 2
    session = ScriptedSession(answers=deque(refusals))

    async def scene(outbox: Outbox) -> None:
        outbox.submit(replace(to_bob(1), over=over), intended_ns=0)
        await asyncio.sleep(5)
        assert outbox.pending == 0

    wire = Wire(session) if over == "http" else Wire(session, ScriptedSession(answers=deque(refusals[1:])))
    lines = play(wire, scene)
    schedules = [line for line in lines if line["event"] == "client_retry_scheduled"]
    assert (schedules[0]["delay_ms"], schedules[0]["detail"]) == (0, {"after": "token"})
    assert "detail" not in schedules[1]
    expired = [line for line in lines if line["event"] == "token_expired"]
    assert expired[0].items() >= {"op": "c1", "attempt": 1, "http_status": 401}.items()
    assert expired[0]["credential_ref"] == sends(lines)[0]["credential_ref"]
    assert wire.drops == ([] if over == "http" else ["token_expired"] * 2)


def test_a_send_over_http_is_told_from_one_over_the_connection(play: PlayOutbox) -> None:
    """It has a connection of its own, so a loss of the live one says nothing about it."""

    async def scene(outbox: Outbox) -> None:
        outbox.submit(over_http(), intended_ns=0)
        await asyncio.sleep(1)

    started, accepted = play(Wire(ScriptedSession()), scene)
    assert started["detail"] == {"over": "http"}
    assert "connection" not in started
    assert "connection" not in accepted


def test_a_request_that_is_lost_costs_no_connection(play: PlayOutbox) -> None:
    """Silence on one request over HTTP is no reason to distrust the live connection."""
    wire = Wire(ScriptedSession(answers=deque([NEVER])))

    async def scene(outbox: Outbox) -> None:
        outbox.submit(over_http(), intended_ns=0)
        await asyncio.sleep(5)

    assert told(play(wire, scene))[-1] == ("server_accepted", 2, "ok")
    assert wire.drops == []


def test_a_message_to_a_group_has_no_recipient(play: PlayOutbox) -> None:
    """Its conversation says who is meant."""

    async def scene(outbox: Outbox) -> None:
        outbox.submit(replace(to_bob(), recipient=None, conversation_id="g:1"), intended_ns=0)
        await asyncio.sleep(1)

    lines = play(Wire(ScriptedSession()), scene)
    assert all("recipient" not in line and line["conversation_id"] == "g:1" for line in lines)


UNAVAILABLE = Unknown("http_503", http_status=503)


def test_a_naive_client_makes_a_new_message_of_each_retry(play: PlayOutbox) -> None:
    """The operation stays the same in the history, the ids do not."""
    session = ScriptedSession(answers=deque([UNAVAILABLE] * 2))
    lines = play(Wire(session), submit(1), defects=["resends_with_new_id"])
    assert session.sent == [("c1", 1), ("c1-again2", 2), ("c1-again3", 3)]
    assert {line["op"] for line in lines} == {"c1"}
    assert [line["client_message_id"] for line in sends(lines)] == ["c1", "c1-again2", "c1-again3"]


def test_a_naive_client_does_not_hear_how_long_to_wait(play: PlayOutbox) -> None:
    """What the service asked for is on record, and is not waited out."""
    refusal = Refused("rate_limited", http_status=429, retry_after_ms=3000)
    wire = Wire(ScriptedSession(answers=deque([refusal])))
    lines = play(wire, submit(1), defects=["ignores_retry_after"])
    (scheduled,) = [line for line in lines if line["event"] == "client_retry_scheduled"]
    assert scheduled["retry_after_ms"] == 3000
    assert scheduled["delay_ms"] <= 100
    assert sends(lines)[1]["mono_ns"] - scheduled["mono_ns"] <= 100_000_000


def test_a_naive_client_knocks_without_a_pause(play: PlayOutbox) -> None:
    """As often after the hundredth failure as after the first, with a connection or without."""

    async def scene(outbox: Outbox) -> None:
        outbox.submit(to_bob(), intended_ns=0)
        await asyncio.sleep(10)

    lines = play(Wire(), scene, defects=["retries_without_backoff"])
    times = [line["mono_ns"] / 1e9 for line in sends(lines)]
    assert len(times) > 150
    assert max(late - early for early, late in pairwise(times)) == pytest.approx(0.05)


def test_a_naive_client_shows_a_sent_message_as_delivered(play: PlayOutbox) -> None:
    """What its user sees is on record as a claim, to be told from a receipt that came."""
    lines = play(Wire(ScriptedSession()), submit(1), defects=["shows_sent_as_delivered"])
    assert lines[-1]["event"] == "delivery_receipt_received"
    assert lines[-1].items() >= {"message_id": "m-c1", "device": "alice/phone", "sender": "bob"}.items()
    assert lines[-1]["detail"] == {"claimed": True}


def test_every_defect_changes_a_habit() -> None:
    """The list that users see and the behaviours behind it are the same, and all of them can be had together."""
    for name in DEFECTS:
        assert type(habits([name])) is not type(habits([]))
    everything = habits(DEFECTS)
    assert (everything.shares_refresh, everything.waits_for_line, everything.heeded_ms(5)) == (False, False, 0)
    with pytest.raises(UsageError, match="did you mean 'ignores_retry_after'"):
        habits(["ignore_retry_after"])
