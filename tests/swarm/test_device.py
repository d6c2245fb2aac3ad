"""One device over scripted sessions, in virtual time: connecting, receiving, marking, leaving."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from itertools import pairwise

import pytest

from harness.drivers.api import (
    Outgoing,
    Page,
    Receipt,
    Refused,
    TokenRejected,
    Unknown,
)
from harness.swarm.device import DeviceAgent
from harness.testing.clients import LOST, PlayDevice, events_of, for_bob
from harness.testing.scripted import ScriptedDriver, ScriptedSession


def test_a_device_appears_connects_and_catches_up(play: PlayDevice) -> None:
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


def test_every_arrival_is_recorded_before_repetitions_are_dropped(play: PlayDevice) -> None:
    """A message that comes twice live and once by sync is three events, marked once."""
    page = Page((for_bob(1), for_bob(2)), "2", more=False)
    session = ScriptedSession(pages=deque([page]))

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        await agent.follow_to_end()
        for _ in range(2):
            session.pushed.put_nowait(for_bob(1))
        await asyncio.sleep(1)

    lines = play(ScriptedDriver(dials=deque([session])), scene)
    arrivals = events_of(lines, "recipient_online_delivered", "recipient_synced")
    assert sorted((line["message_id"], line["via"]) for line in arrivals) == [
        ("m1", "live"),
        ("m1", "live"),
        ("m1", "sync"),
        ("m2", "sync"),
    ]
    assert [mark for mark in session.marked if mark[1] == "delivered"] == [("m1", "delivered"), ("m2", "delivered")]
    assert "text 1" not in json.dumps(lines)


def test_some_messages_are_opened_and_the_same_ones_every_time(play: PlayDevice) -> None:
    """The seed and the message decide, so each opening is on record and told to the sender."""
    session = ScriptedSession()

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        for number in range(40):
            session.pushed.put_nowait(for_bob(number))
        await asyncio.sleep(1)

    lines = play(ScriptedDriver(dials=deque([session])), scene)
    read = [line["message_id"] for line in events_of(lines, "message_read")]
    assert 10 < len(read) < 30
    assert read == [message_id for message_id, state in session.marked if state == "read"]


def test_own_messages_are_not_marked(play: PlayDevice) -> None:
    """What a person wrote elsewhere arrives here too, and needs no receipt."""
    session = ScriptedSession()

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        session.pushed.put_nowait(for_bob(1, sender="bob"))
        await asyncio.sleep(1)

    assert len(events_of(play(ScriptedDriver(dials=deque([session])), scene), "recipient_online_delivered")) == 1
    assert session.marked == []


def test_the_cursor_goes_on_over_reconnects_and_pages(play: PlayDevice) -> None:
    """Each page starts where the last one ended, on whichever session."""
    first = ScriptedSession("c1", pages=deque([Page((for_bob(1),), "1", more=True), Page((), "1", more=False)]))
    second = ScriptedSession("c2", pages=deque([Page((for_bob(2),), "2", more=False)]))

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        await agent.follow_to_end()
        first.pushed.put_nowait(LOST)
        await asyncio.sleep(5)

    lines = play(ScriptedDriver(dials=deque([first, second])), scene)
    assert first.cursors[:2] == [None, "1"]
    assert second.cursors == ["1"]
    synced = events_of(lines, "recipient_synced")
    assert [(line.get("cursor_from"), line["cursor_to"]) for line in synced] == [(None, "1"), ("1", "2")]


def test_a_connection_that_goes_on_and_a_gap_that_was_filled_are_told(play: PlayDevice) -> None:
    """What a protocol offers besides shows in the history, so that a scenario can demand it."""
    first, second = ScriptedSession("c1"), ScriptedSession("c2", pages=deque([Page((), "1", more=False, filled=2)]))
    second.resumed = True

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        await agent.follow_to_end()
        first.pushed.put_nowait(LOST)
        await asyncio.sleep(5)

    lines = play(ScriptedDriver(dials=deque([first, second])), scene)
    assert [line["connection"] for line in events_of(lines, "connection_resumed")] == ["c2"]
    assert [line["detail"] for line in events_of(lines, "sync_gap_filled")] == [{"conversations": 2}]


@pytest.mark.parametrize(
    "trouble", [Unknown("connection_lost"), Refused("oops", http_status=400), Page((for_bob(1),), "0", more=True)]
)
def test_a_sync_that_does_not_get_to_its_end_is_taken_up_on_another_session(
    play: PlayDevice, trouble: Page | Refused | Unknown
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
    assert events_of(lines, "sync_completed")[-1]["connection"] == "c2"
    assert events_of(lines, "connection_lost")[0]["error_code"] == "sync_failed"


def test_failed_dials_come_slower_and_slower(play: PlayDevice) -> None:
    """A service that is down for ten minutes is knocked on about once a second."""
    driver = ScriptedDriver(dials=deque([Refused("connect_failed")] * 10_000))

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        await asyncio.sleep(600)

    lost = events_of(play(driver, scene), "connection_lost")
    times = [line["mono_ns"] / 1e9 for line in lost]
    assert 300 < len(times) < 1200
    assert min(late - early for early, late in pairwise(times)) >= 0.0499
    assert all("connection" not in line and line["error_code"] == "connect_failed" for line in lost)


def test_sessions_that_are_cut_at_once_count_as_failures(play: PlayDevice) -> None:
    """A proxy that accepts and resets must not be dialled in a tight loop."""
    dials = [ScriptedSession(f"c{number}") for number in range(2000)]
    for session in dials:
        session.pushed.put_nowait(LOST)

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        await asyncio.sleep(60)

    opened = events_of(play(ScriptedDriver(dials=deque(dials)), scene), "connection_opened")
    assert 30 < len(opened) < 150


def test_a_login_that_the_service_turns_down_is_named(play: PlayDevice) -> None:
    """401 at the door and a token that dies in mid-session are on record, each for what it is."""
    session = ScriptedSession("c1")
    dials: deque[ScriptedSession | Refused | Unknown] = deque([Refused("unauthorized", http_status=401), session])

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        await agent.follow_to_end()
        session.pushed.put_nowait(TokenRejected("token_expired"))
        await asyncio.sleep(1)

    lines = play(ScriptedDriver(dials=dials), scene)
    assert [(line["event"], line["error_code"]) for line in events_of(lines, "token_rejected", "token_expired")] == [
        ("token_rejected", "unauthorized"),
        ("token_expired", "token_expired"),
    ]


def test_receipts_of_others_are_recorded(play: PlayDevice) -> None:
    """Who got it or opened it, on which of their devices, and where the word arrived."""
    session = ScriptedSession("c1")

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        session.pushed.put_nowait(Receipt("m1", "delivered", "alice", "alice/phone"))
        session.pushed.put_nowait(Receipt("m1", "read", "alice"))
        await asyncio.sleep(1)

    delivered, read = events_of(
        play(ScriptedDriver(dials=deque([session])), scene), "delivery_receipt_received", "read_receipt_received"
    )
    common = {"message_id": "m1", "sender": "alice", "device": "bob/phone", "connection": "c1"}
    assert delivered.items() >= (common | {"event": "delivery_receipt_received"}).items()
    assert read.items() >= (common | {"event": "read_receipt_received"}).items()
    assert delivered["detail"] == {"by_device": "alice/phone"}


def test_an_absence_is_on_purpose_and_what_is_written_meanwhile_waits(play: PlayDevice) -> None:
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
    assert [line["event"] for line in events_of(lines, "person_online", "person_offline")] == [
        "person_online",
        "person_offline",
        "person_online",
    ]
    assert driver.sessions[0].closed == [False]
    assert events_of(lines, "server_accepted")[0]["connection"] == driver.sessions[1].connection
