"""One device over scripted sessions, in virtual time: connecting, receiving, marking, leaving."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.core.seeds import Seed
from harness.drivers.api import (
    Accepted,
    Account,
    Closed,
    Delivered,
    Device,
    Incoming,
    Outgoing,
    Page,
    Receipt,
    Refused,
    TokenRejected,
    Unknown,
)
from harness.drivers.naive import habits
from harness.history.recorder import Recorder
from harness.swarm.config import Route
from harness.swarm.device import DeviceAgent, World
from harness.testing.scripted import NEVER, ScriptedDriver, ScriptedSession
from harness.testing.virtual_time import VirtualClock, run_virtual

Line = dict[str, Any]
Scene = Callable[[DeviceAgent], Awaitable[None]]
Play = Callable[[ScriptedDriver, Scene], list[Line]]

DEVICE = Device("bob/phone", "bob", "ios", "1.0.0")
LOST = Closed(None, "connection_lost", clean=False)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Play a scene with bob's phone and return the events that it recorded."""
    return lambda driver, scene: play_with(tmp_path, driver, scene, ())


def play_with(folder: Path, driver: ScriptedDriver, scene: Scene, defects: Sequence[str]) -> list[Line]:
    """Play a scene with a client that has these defects."""

    async def main() -> None:
        recorder = Recorder(folder, run="r", role="swarm", observer="client", clock=VirtualClock())
        async with asyncio.TaskGroup() as tasks:
            world = World(driver, recorder, Seed(1), b"key", VirtualClock(), tasks.create_task, habits(defects))
            agent = DeviceAgent(DEVICE, Account("bob", "bob", "secret-word"), Route("c", "a", "client->chat"), world)
            await scene(agent)
            agent.outbox.give_up()
            await agent.leave()

    run_virtual(main())
    return [json.loads(line) for file in folder.iterdir() for line in file.read_text().splitlines()]


def message(number: int, sender: str = "alice") -> Delivered:
    """A message that reaches bob."""
    return Delivered(f"m{number}", f"c{number}", "alice+bob", sender, f"text {number}", number)


def of(lines: list[Line], *events: str) -> list[Line]:
    """The events of these names."""
    return [line for line in lines if line["event"] in events]


def test_a_device_appears_connects_and_catches_up(play: Play) -> None:
    """All of it is on record, the credential only as a reference."""

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        await agent.follow_to_end()

    lines = play(ScriptedDriver(dials=deque([ScriptedSession("c1")])), scene)
    names = [line["event"] for line in lines]
    assert names[:4] == ["person_online", "token_issued", "connection_opened", "sync_completed"]
    assert names[-1] == "connection_lost"
    assert lines[-1]["detail"] == {"clean": True}
    assert lines[0].items() >= {"device": "bob/phone", "platform": "ios", "client_version": "1.0.0"}.items()
    assert lines[2].items() >= {"connection": "c1", "link": "client->chat"}.items()
    assert '"token"' not in json.dumps(lines)


def test_every_arrival_is_recorded_before_repetitions_are_dropped(play: Play) -> None:
    """A message that comes twice live and once by sync is three events, marked once."""
    page = Page((message(1), message(2)), "2", more=False)
    session = ScriptedSession(pages=deque([page]))

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        await agent.follow_to_end()
        for _ in range(2):
            session.pushed.put_nowait(message(1))
        await asyncio.sleep(1)

    lines = play(ScriptedDriver(dials=deque([session])), scene)
    arrivals = of(lines, "recipient_online_delivered", "recipient_synced")
    assert sorted((line["message_id"], line["via"]) for line in arrivals) == [
        ("m1", "live"),
        ("m1", "live"),
        ("m1", "sync"),
        ("m2", "sync"),
    ]
    assert [mark for mark in session.marked if mark[1] == "delivered"] == [("m1", "delivered"), ("m2", "delivered")]
    assert "text 1" not in json.dumps(lines)


def test_some_messages_are_opened_and_the_same_ones_every_time(play: Play) -> None:
    """The seed and the message decide, so each opening is on record and told to the sender."""
    session = ScriptedSession()

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        for number in range(40):
            session.pushed.put_nowait(message(number))
        await asyncio.sleep(1)

    lines = play(ScriptedDriver(dials=deque([session])), scene)
    read = [line["message_id"] for line in of(lines, "message_read")]
    assert 10 < len(read) < 30
    assert read == [message_id for message_id, state in session.marked if state == "read"]


def test_own_messages_are_not_marked(play: Play) -> None:
    """What a person wrote elsewhere arrives here too, and needs no receipt."""
    session = ScriptedSession()

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        session.pushed.put_nowait(message(1, sender="bob"))
        await asyncio.sleep(1)

    assert len(of(play(ScriptedDriver(dials=deque([session])), scene), "recipient_online_delivered")) == 1
    assert session.marked == []


def test_the_cursor_goes_on_over_reconnects_and_pages(play: Play) -> None:
    """Each page starts where the last one ended, on whichever session."""
    first = ScriptedSession("c1", pages=deque([Page((message(1),), "1", more=True), Page((), "1", more=False)]))
    second = ScriptedSession("c2", pages=deque([Page((message(2),), "2", more=False)]))

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        await agent.follow_to_end()
        first.pushed.put_nowait(LOST)
        await asyncio.sleep(5)

    lines = play(ScriptedDriver(dials=deque([first, second])), scene)
    assert first.cursors[:2] == [None, "1"]
    assert second.cursors == ["1"]
    synced = of(lines, "recipient_synced")
    assert [(line.get("cursor_from"), line["cursor_to"]) for line in synced] == [(None, "1"), ("1", "2")]


@pytest.mark.parametrize(
    "trouble", [Unknown("connection_lost"), Refused("oops", http_status=400), Page((message(1),), "0", more=True)]
)
def test_a_sync_that_does_not_get_to_its_end_is_taken_up_on_another_session(
    play: Play, trouble: Page | Refused | Unknown
) -> None:
    """Also when pages never end: a cursor that stands still is no progress."""
    still = Page((), "0", more=False)
    first, second = ScriptedSession("c1", pages=deque([still, trouble])), ScriptedSession("c2")

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        await asyncio.sleep(1)
        await agent.follow_to_end()

    lines = play(ScriptedDriver(dials=deque([first, second])), scene)
    assert first.closed == [True]
    assert of(lines, "sync_completed")[-1]["connection"] == "c2"
    assert of(lines, "connection_lost")[0]["error_code"] == "sync_failed"


def test_failed_dials_come_slower_and_slower(play: Play) -> None:
    """A service that is down for ten minutes is knocked on about once a second."""
    driver = ScriptedDriver(dials=deque([Refused("connect_failed")] * 10_000))

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        await asyncio.sleep(600)

    lost = of(play(driver, scene), "connection_lost")
    times = [line["mono_ns"] / 1e9 for line in lost]
    assert 300 < len(times) < 1200
    assert min(late - early for early, late in pairwise(times)) >= 0.0499
    assert all("connection" not in line and line["error_code"] == "connect_failed" for line in lost)


def test_sessions_that_are_cut_at_once_count_as_failures(play: Play) -> None:
    """A proxy that accepts and resets must not be dialled in a tight loop."""
    dials = [ScriptedSession(f"c{number}") for number in range(2000)]
    for session in dials:
        session.pushed.put_nowait(LOST)

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        await asyncio.sleep(60)

    opened = of(play(ScriptedDriver(dials=deque(dials)), scene), "connection_opened")
    assert 30 < len(opened) < 150


def test_a_login_that_the_service_turns_down_is_named(play: Play) -> None:
    """401 at the door and a token that dies in mid-session are on record, each for what it is."""
    session = ScriptedSession("c1")
    dials: deque[ScriptedSession | Refused | Unknown] = deque([Refused("unauthorized", http_status=401), session])

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        await agent.follow_to_end()
        session.pushed.put_nowait(TokenRejected("token_expired"))
        await asyncio.sleep(1)

    lines = play(ScriptedDriver(dials=dials), scene)
    assert [(line["event"], line["error_code"]) for line in of(lines, "token_rejected", "token_expired")] == [
        ("token_rejected", "unauthorized"),
        ("token_expired", "token_expired"),
    ]


def test_receipts_of_others_are_recorded(play: Play) -> None:
    """Who got it or opened it, on which of their devices, and where the word arrived."""
    session = ScriptedSession("c1")

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        session.pushed.put_nowait(Receipt("m1", "delivered", "alice", "alice/phone"))
        session.pushed.put_nowait(Receipt("m1", "read", "alice"))
        await asyncio.sleep(1)

    delivered, read = of(
        play(ScriptedDriver(dials=deque([session])), scene), "delivery_receipt_received", "read_receipt_received"
    )
    common = {"message_id": "m1", "sender": "alice", "device": "bob/phone", "connection": "c1"}
    assert delivered.items() >= (common | {"event": "delivery_receipt_received"}).items()
    assert read.items() >= (common | {"event": "read_receipt_received"}).items()
    assert delivered["detail"] == {"by_device": "alice/phone"}


def test_an_absence_is_on_purpose_and_what_is_written_meanwhile_waits(play: Play) -> None:
    """The device says goodbye, dials nobody, and on its return sends and syncs."""
    driver = ScriptedDriver()

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        await agent.follow_to_end()
        await agent.go_offline()
        agent.outbox.submit(Outgoing("c9", "alice+bob", "alice", "hello", 0), intended_ns=0)
        await asyncio.sleep(30)
        assert agent.outbox.pending == 1
        assert len(driver.sessions) == 1
        agent.come_online()
        await asyncio.sleep(5)
        assert agent.outbox.pending == 0

    lines = play(driver, scene)
    assert [line["event"] for line in of(lines, "person_online", "person_offline")] == [
        "person_online",
        "person_offline",
        "person_online",
    ]
    assert driver.sessions[0].closed == [False]
    assert of(lines, "server_accepted")[0]["connection"] == driver.sessions[1].connection


EXPIRED: list[Incoming] = [TokenRejected("token_expired"), Closed(4001, "", clean=False)]


def end_for_the_token(session: ScriptedSession) -> None:
    """What a service does when the token of a live connection expires."""
    for item in EXPIRED:
        session.pushed.put_nowait(item)


def test_a_token_that_expires_in_mid_session_is_refreshed_and_used(play: Play) -> None:
    """The device comes back with the new token, without a login, and sends what waited."""
    first = ScriptedSession("c1", answers=deque([NEVER]))
    driver = ScriptedDriver(dials=deque([first, ScriptedSession("c2")]))

    async def scene(agent: DeviceAgent) -> None:
        await agent.follow_to_end()
        agent.outbox.submit(Outgoing("c9", "alice+bob", "alice", "hello", 0), intended_ns=0)
        await asyncio.sleep(0.1)
        end_for_the_token(first)
        await asyncio.sleep(5)
        assert agent.outbox.pending == 0

    lines = play(driver, scene)
    assert driver.shown == ["login-1", "token-1"]
    tokens = of(lines, "token_issued", "token_expired", "token_refresh_started", "token_refreshed")
    assert [line["event"] for line in tokens] == [
        "token_issued",
        "token_expired",
        "token_refresh_started",
        "token_refreshed",
    ]
    assert tokens[1].items() >= {"connection": "c1", "credential_ref": tokens[0]["credential_ref"]}.items()
    sends = of(lines, "client_send_started")
    assert [line["credential_ref"] for line in sends] == [tokens[0]["credential_ref"], tokens[3]["credential_ref"]]


def test_a_connection_ends_with_the_token_it_was_opened_with(play: Play) -> None:
    """A request over HTTP may have had it replaced already: the close must not cost the new one."""
    first = ScriptedSession("c1", answers=deque([Refused("token_expired", http_status=401)]))
    driver = ScriptedDriver(dials=deque([first, ScriptedSession("c2")]))

    async def scene(agent: DeviceAgent) -> None:
        await agent.follow_to_end()
        agent.outbox.submit(Outgoing("c9", "alice+bob", "alice", "hello", 0, over="http"), intended_ns=0)
        await asyncio.sleep(0.1)
        end_for_the_token(first)
        await asyncio.sleep(5)

    lines = play(driver, scene)
    assert first.refreshed == 1
    assert driver.shown == ["login-1", "token-1"]
    assert len(of(lines, "token_refresh_started")) == 1
    assert first.sent == [("c9", 1), ("c9", 2)]


def test_a_send_over_http_needs_no_live_connection(play: Play) -> None:
    """It goes out with the token in hand while the connection is being dialled, but not while the device is away."""
    first = ScriptedSession("c1")
    driver = ScriptedDriver(dials=deque([first, *[Refused("connect_failed")] * 3, ScriptedSession("c2")]))

    async def scene(agent: DeviceAgent) -> None:
        await agent.follow_to_end()
        first.pushed.put_nowait(LOST)
        await asyncio.sleep(0.01)
        agent.outbox.submit(Outgoing("c1", "alice+bob", "alice", "hello", 0, over="http"), intended_ns=0)
        await asyncio.sleep(5)
        await agent.go_offline()
        agent.outbox.submit(Outgoing("c2", "alice+bob", "alice", "hello", 0, over="http"), intended_ns=0)
        await asyncio.sleep(5)
        assert agent.outbox.pending == 1

    lines = play(driver, scene)
    assert first.sent == [("c1", 1)]
    assert of(lines, "server_accepted")[0]["op"] == "c1"
    assert driver.logged_in == 1


class Strict(ScriptedSession):
    """A session that takes nothing with the token of the first login."""

    async def send(self, message: Outgoing, *, attempt: int) -> Accepted | Refused | Unknown:
        """Refuse that token."""
        if self.credential == "login-1":
            return Refused("token_expired", http_status=401)
        return await ScriptedSession.send(self, message, attempt=attempt)


@pytest.mark.parametrize(("defects", "refreshes"), [((), 1), (("refreshes_in_parallel",), 6)])
def test_requests_that_meet_a_dead_token(tmp_path: Path, defects: tuple[str, ...], refreshes: int) -> None:
    """A correct client shows a token no more that was refused; a naive one lets each request find out for itself."""
    first = Strict("c1", refresh_takes_s=1.0)
    driver = ScriptedDriver(dials=deque([first]))

    async def scene(agent: DeviceAgent) -> None:
        await agent.follow_to_end()
        for number in range(5):
            to = f"friend{number}"
            agent.outbox.submit(Outgoing(f"c{number}", to, to, "hello", 0, over="http"), intended_ns=0)
            await asyncio.sleep(0.01)
            if number == 0:
                end_for_the_token(first)
        await asyncio.sleep(10)
        assert agent.outbox.pending == 0

    lines = play_with(tmp_path, driver, scene, defects)
    assert first.refreshed == refreshes
    assert len([line for line in of(lines, "token_expired") if "op" in line]) == (5 if defects else 1)


def test_a_new_login_takes_a_new_connection(play: Play) -> None:
    """Somebody who was logged out in secret, as a request shows, opens another one instead of waiting for its end."""
    first = Strict("c1", refreshes=deque([Refused("refresh_rejected", http_status=401)]))
    second = ScriptedSession("c2")
    driver = ScriptedDriver(dials=deque([first, second]))

    async def scene(agent: DeviceAgent) -> None:
        await agent.follow_to_end()
        agent.outbox.submit(Outgoing("c1", "alice+bob", "alice", "hello", 0, over="http"), intended_ns=0)
        await asyncio.sleep(10)

    lines = play(driver, scene)
    assert driver.shown == ["login-1", "login-2"]
    assert second.sent == [("c1", 2)]
    assert "token_replaced" in {line["error_code"] for line in of(lines, "connection_lost")}


def test_a_door_that_refuses_the_token_gets_another(play: Play) -> None:
    """A token that died while there was no connection is refreshed before the next dial."""
    first, second = ScriptedSession("c1"), ScriptedSession("c2")
    driver = ScriptedDriver(dials=deque([first, Refused("token_expired", http_status=401), second]))

    async def scene(agent: DeviceAgent) -> None:
        await agent.follow_to_end()
        first.pushed.put_nowait(LOST)
        await asyncio.sleep(5)

    lines = play(driver, scene)
    assert driver.shown == ["login-1", "login-1", "token-1"]
    assert driver.logged_in == 1
    assert of(lines, "token_expired")[0]["link"] == "client->chat"


def test_marks_that_meet_a_limit_are_made_later(play: Play) -> None:
    """A receipt that was refused for a while is owed as before."""
    session = ScriptedSession(marks=deque([Refused("rate_limited", http_status=429, retry_after_ms=100)]))

    async def scene(agent: DeviceAgent) -> None:
        await agent.follow_to_end()
        session.pushed.put_nowait(message(1))
        await asyncio.sleep(5)

    play(ScriptedDriver(dials=deque([session])), scene)
    assert session.marked.count(("m1", "delivered")) == 2
