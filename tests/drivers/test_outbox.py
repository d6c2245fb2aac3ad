"""The correct client over scripted connections, in virtual time."""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from typing import Any, Protocol

import pytest

from harness.core.errors import UsageError
from harness.core.plan import Transport
from harness.drivers.api import Accepted, Credential, Device, Outgoing, Refused, Session, Unknown
from harness.drivers.defects import DEFECTS
from harness.drivers.naive import habits
from harness.drivers.outbox import Outbox
from harness.drivers.tokens import Tokens
from harness.history.recorder import Recorder
from harness.testing.scripted import NEVER, Answer, ScriptedSession, accepted
from harness.testing.virtual_time import VirtualClock, run_virtual

Line = dict[str, Any]
DEVICE = Device("alice/phone", "alice", "ios", "1.0.0")


class Wire:
    """A line whose sessions are scripted: a dropped one is replaced a tenth of a second later."""

    def __init__(self, *sessions: ScriptedSession) -> None:
        self.left = deque(sessions)
        self.drops: list[str] = []
        self.current: ScriptedSession | None = self.left.popleft() if self.left else None

    def way(self, over: Transport) -> Session | None:
        """The session now in use, whatever goes over it."""
        del over
        return self.current

    async def up(self, over: Transport) -> Session:
        """Wait for the next scripted session."""
        del over
        if self.current is None:
            await asyncio.sleep(0.1)
            self.current = self.left.popleft() if self.left else ScriptedSession("later")
        return self.current

    async def drop(self, session: Session, reason: str) -> None:
        """Note why and end the session."""
        self.drops.append(reason)
        self.current = None
        await session.close(abrupt=True)


def message(number: int = 1, conversation: str = "alice+bob") -> Outgoing:
    """A message to bob."""
    return Outgoing(f"c{number}", conversation, "bob", f"text {number}", 0)


Scene = Callable[[Outbox], Awaitable[None]]


class Play(Protocol):
    """Plays a scene on an outbox, of a naive client if it has defects."""

    def __call__(self, wire: Wire, scene: Scene, *, defects: Sequence[str] = ()) -> list[Line]:
        """Return the events that it recorded."""
        ...


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Play a scene on an outbox and return the events that it recorded."""

    def play(wire: Wire, scene: Scene, *, defects: Sequence[str] = ()) -> list[Line]:
        async def main() -> None:
            logins = (Credential("token" if number == 1 else f"token-{number}") for number in count(1))
            rng = random.Random(1)

            async def login() -> Credential:
                return next(logins)

            recorder = Recorder(tmp_path, run="r", role="swarm", observer="client", clock=VirtualClock())
            async with asyncio.TaskGroup() as tasks:
                spawn, client = tasks.create_task, habits(defects)
                tokens = Tokens(
                    DEVICE, login, recorder, link="client->auth", key=b"key", rng=rng, spawn=spawn, habits=client
                )
                tokens.start()
                await tokens.good()
                outbox = Outbox(
                    DEVICE,
                    wire,
                    tokens,
                    recorder,
                    link="client->chat",
                    key=b"key",
                    rng=rng,
                    spawn=spawn,
                    habits=client,
                )
                await scene(outbox)
                outbox.give_up()
            recorder.close()

        run_virtual(main())
        lines = [json.loads(line) for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
        return [line for line in lines if line["event"] not in ("writer_closed", "token_issued")]

    return play


def submit(*numbers: int) -> Scene:
    """A scene in which some messages are written at once and all of them get settled."""

    async def scene(outbox: Outbox) -> None:
        for number in numbers:
            outbox.submit(message(number), intended_ns=7)
        await asyncio.sleep(60)
        assert outbox.pending == 0

    return scene


def told(lines: list[Line]) -> list[tuple[str, int | None, str | None]]:
    """The events in short."""
    return [(line["event"], line.get("attempt"), line.get("outcome")) for line in lines]


def test_an_accepted_message_has_a_beginning_and_an_end(play: Play) -> None:
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


def test_a_lost_answer_is_asked_for_again_under_the_same_id(play: Play) -> None:
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


def test_a_message_waits_for_the_one_before_it(play: Play) -> None:
    """Whatever happens to the first, the second of a conversation never overtakes it."""
    session = ScriptedSession(answers=deque([Unknown("http_503", http_status=503)] * 3))
    play(Wire(session), submit(1, 2))
    assert session.sent == [("c1", 1), ("c1", 2), ("c1", 3), ("c1", 4), ("c2", 1)]


def test_conversations_do_not_wait_for_each_other(play: Play) -> None:
    """One that is stuck holds up nobody else."""
    session = ScriptedSession(answers=deque([NEVER]))

    async def scene(outbox: Outbox) -> None:
        outbox.submit(message(1, "alice+bob"), intended_ns=0)
        outbox.submit(message(2, "alice+carol"), intended_ns=0)
        await asyncio.sleep(0.5)
        assert (outbox.pending, outbox.in_flight) == (1, 1)
        assert session.sent == [("c1", 1), ("c2", 1)]

    play(Wire(session), scene)


def test_a_final_refusal_is_not_repeated(play: Play) -> None:
    """What the service will never take is shown to the user as failed, and the next message goes out."""
    session = ScriptedSession(answers=deque([Refused("unknown_recipient", http_status=404)]))
    lines = play(Wire(session), submit(1, 2))
    assert told(lines)[1] == ("client_send_failed", 1, "fail")
    assert lines[1]["detail"] == {"final": True}
    assert session.sent == [("c1", 1), ("c2", 1)]


def test_retry_after_is_obeyed(play: Play) -> None:
    """The service's own wish is the least wait, and both are on record."""
    refusal = Refused("rate_limited", http_status=429, retry_after_ms=3000)
    wire = Wire(ScriptedSession(answers=deque([refusal])))
    lines = play(wire, submit(1))
    scheduled = lines[3]
    assert scheduled["retry_after_ms"] == 3000
    assert 3000 <= scheduled["delay_ms"] <= 3100
    assert lines[4]["mono_ns"] - scheduled["mono_ns"] >= 3_000_000_000
    assert wire.drops == []


def test_an_expired_login_takes_a_new_connection(play: Play) -> None:
    """401 is retried, but never with the same credential."""
    wire = Wire(ScriptedSession(answers=deque([Refused("token_expired", http_status=401)])))
    lines = play(wire, submit(1))
    assert wire.drops == ["token_expired"]
    assert told(lines)[-1] == ("server_accepted", 2, "ok")


def test_without_a_connection_a_send_fails_once_and_then_waits(play: Play) -> None:
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
def test_giving_up_says_what_is_known(play: Play, answers: list[Answer], outcome: str) -> None:
    """A message that may have arrived is unknown; one that was always refused has failed; one never tried, too."""

    async def scene(outbox: Outbox) -> None:
        outbox.submit(message(1), intended_ns=0)
        outbox.submit(message(2), intended_ns=0)
        await asyncio.sleep(0.5)
        outbox.give_up()
        assert outbox.pending == 0
        outbox.submit(message(3), intended_ns=0)

    lines = play(Wire(ScriptedSession(answers=deque(answers))), scene)
    final = [line for line in lines if line.get("detail") == {"final": True}]
    assert [(line["op"], line["outcome"]) for line in final] == [("c1", outcome), ("c2", "fail")]
    assert "attempt" not in final[1]
    assert "c3" not in {line["op"] for line in lines}


def test_doubt_stays_with_a_message(play: Play) -> None:
    """After one unknown attempt later refusals do not make a message certainly absent."""
    answers: list[Answer] = [Unknown("http_503", http_status=503), *[Refused("rate_limited", http_status=429)] * 99]

    async def scene(outbox: Outbox) -> None:
        outbox.submit(message(1), intended_ns=0)
        await asyncio.sleep(5)

    lines = play(Wire(ScriptedSession(answers=deque(answers))), scene)
    assert lines[-1]["detail"] == {"final": True}
    assert lines[-1]["outcome"] == "unknown"


def test_waits_grow_and_stay_bounded_through_a_long_outage(play: Play) -> None:
    """Ten minutes of a sick service bring about one attempt a second, not a storm."""
    session = ScriptedSession(answers=deque([Unknown("http_503", http_status=503)] * 10_000))

    async def scene(outbox: Outbox) -> None:
        outbox.submit(message(1), intended_ns=0)
        await asyncio.sleep(600)

    delays = [line["delay_ms"] for line in play(Wire(session), scene) if line["event"] == "client_retry_scheduled"]
    assert 300 < len(delays) < 1000
    assert max(delays[:2]) <= 200 < max(delays) <= 2000


def test_a_scripted_acceptance_names_its_message() -> None:
    """The helper that these tests stand on answers for the message it was given."""
    assert accepted(message(5)) == Accepted("m-c5", "alice+bob", conversation_seq=1)


def over_http(number: int = 1, conversation: str = "alice+bob") -> Outgoing:
    """A message that goes by a request of its own."""
    return replace(message(number, conversation), over="http")


def sends(lines: list[Line]) -> list[Line]:
    """The beginnings of attempts."""
    return [line for line in lines if line["event"] == "client_send_started"]


def test_a_limit_is_named_beside_the_failure(play: Play) -> None:
    """Which operation met it, and how long the service asked to wait."""
    refusal = Refused("rate_limited", http_status=429, retry_after_ms=1000)
    lines = play(Wire(ScriptedSession(answers=deque([refusal]))), submit(1))
    (limited,) = [line for line in lines if line["event"] == "rate_limited"]
    assert limited.items() >= {"op": "c1", "attempt": 1, "retry_after_ms": 1000, "device": "alice/phone"}.items()


def test_a_limit_holds_up_everything_the_device_has_to_say(play: Play) -> None:
    """Another conversation asks as little during the wait as the one that was refused."""
    refusal = Refused("rate_limited", http_status=429, retry_after_ms=3000)
    session = ScriptedSession(answers=deque([refusal]))

    async def scene(outbox: Outbox) -> None:
        outbox.submit(message(1), intended_ns=0)
        await asyncio.sleep(1)
        outbox.submit(message(2, "alice+carol"), intended_ns=0)
        await asyncio.sleep(10)

    starts = {line["op"]: line["mono_ns"] / 1e9 for line in sends(play(Wire(session), scene))}
    assert starts["c2"] == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize("over", ["http", "websocket"])
def test_a_send_refused_for_its_token_is_repeated_once_at_once(play: Play, over: Transport) -> None:
    """With the new token and without a wait; a second refusal is met like any other failure."""
    refusals = [Refused("token_expired", http_status=401)] * 2
    session = ScriptedSession(answers=deque(refusals))

    async def scene(outbox: Outbox) -> None:
        outbox.submit(replace(message(1), over=over), intended_ns=0)
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


def test_a_send_over_http_is_told_from_one_over_the_connection(play: Play) -> None:
    """It has a connection of its own, so a loss of the live one says nothing about it."""

    async def scene(outbox: Outbox) -> None:
        outbox.submit(over_http(), intended_ns=0)
        await asyncio.sleep(1)

    started, accepted = play(Wire(ScriptedSession()), scene)
    assert started["detail"] == {"over": "http"}
    assert "connection" not in started
    assert "connection" not in accepted


def test_a_request_that_is_lost_costs_no_connection(play: Play) -> None:
    """Silence on one request over HTTP is no reason to distrust the live connection."""
    wire = Wire(ScriptedSession(answers=deque([NEVER])))

    async def scene(outbox: Outbox) -> None:
        outbox.submit(over_http(), intended_ns=0)
        await asyncio.sleep(5)

    assert told(play(wire, scene))[-1] == ("server_accepted", 2, "ok")
    assert wire.drops == []


def test_a_message_to_a_group_has_no_recipient(play: Play) -> None:
    """Its conversation says who is meant."""

    async def scene(outbox: Outbox) -> None:
        outbox.submit(replace(message(), recipient=None, conversation_id="g:1"), intended_ns=0)
        await asyncio.sleep(1)

    lines = play(Wire(ScriptedSession()), scene)
    assert all("recipient" not in line and line["conversation_id"] == "g:1" for line in lines)


UNAVAILABLE = Unknown("http_503", http_status=503)


def test_a_naive_client_makes_a_new_message_of_each_retry(play: Play) -> None:
    """The operation stays the same in the history, the ids do not."""
    session = ScriptedSession(answers=deque([UNAVAILABLE] * 2))
    lines = play(Wire(session), submit(1), defects=["resends_with_new_id"])
    assert session.sent == [("c1", 1), ("c1-again2", 2), ("c1-again3", 3)]
    assert {line["op"] for line in lines} == {"c1"}
    assert [line["client_message_id"] for line in sends(lines)] == ["c1", "c1-again2", "c1-again3"]


def test_a_naive_client_does_not_hear_how_long_to_wait(play: Play) -> None:
    """What the service asked for is on record, and is not waited out."""
    refusal = Refused("rate_limited", http_status=429, retry_after_ms=3000)
    wire = Wire(ScriptedSession(answers=deque([refusal])))
    lines = play(wire, submit(1), defects=["ignores_retry_after"])
    (scheduled,) = [line for line in lines if line["event"] == "client_retry_scheduled"]
    assert scheduled["retry_after_ms"] == 3000
    assert scheduled["delay_ms"] <= 100
    assert sends(lines)[1]["mono_ns"] - scheduled["mono_ns"] <= 100_000_000


def test_a_naive_client_knocks_without_a_pause(play: Play) -> None:
    """As often after the hundredth failure as after the first, with a connection or without."""

    async def scene(outbox: Outbox) -> None:
        outbox.submit(message(), intended_ns=0)
        await asyncio.sleep(10)

    lines = play(Wire(), scene, defects=["retries_without_backoff"])
    times = [line["mono_ns"] / 1e9 for line in sends(lines)]
    assert len(times) > 150
    assert max(late - early for early, late in pairwise(times)) == pytest.approx(0.05)


def test_a_naive_client_shows_a_sent_message_as_delivered(play: Play) -> None:
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
