"""Messages to single devices, sent and received over scripted sessions in virtual time."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.drivers.api import Confirmed, ForDevice, Refused, Unknown
from harness.history.recorder import Recorder
from harness.swarm.device import DeviceAgent
from harness.swarm.generator import Lag
from harness.swarm.to_device import ToDevices, as_device_messages
from harness.testing.clients import Line, PlayDevice, events_of
from harness.testing.scripted import ScriptedDriver, ScriptedSession
from harness.testing.virtual_time import VirtualClock
from harness.workloads.direct import Send

ONE = Send(1.0, "b-0-1", "bob", "alice", "a key")
DOWN = Unknown("http_503", http_status=503)


def test_each_device_gets_one_until_the_service_has_it(play: PlayDevice, tmp_path: Path) -> None:
    """A failed attempt is repeated under the same id; no body is on record."""
    session = ScriptedSession(errands=deque([DOWN]))
    lines = _send(play, session, tmp_path)
    names = [("b-0-1-phone for alice/phone"), ("b-0-1-laptop for alice/laptop")]
    assert session.asked == [("send_to_device", name) for name in (*names, names[0])]
    assert [(line["event"], line["attempt"], line["client_message_id"], line["detail"]) for line in lines] == [
        ("to_device_send_started", 1, "b-0-1-phone", {"to": "alice/phone"}),
        ("to_device_send_failed", 1, "b-0-1-phone", {"to": "alice/phone"}),
        ("to_device_send_started", 1, "b-0-1-laptop", {"to": "alice/laptop"}),
        ("to_device_accepted", 1, "b-0-1-laptop", {"to": "alice/laptop"}),
        ("to_device_send_started", 2, "b-0-1-phone", {"to": "alice/phone"}),
        ("to_device_accepted", 2, "b-0-1-phone", {"to": "alice/phone"}),
    ]
    failed = {"outcome": "unknown", "http_status": 503, "sender": "bob", "device": "bob/phone"}
    assert lines[1].items() >= failed.items()
    assert "a key" not in str(lines)


def test_a_final_refusal_ends_it(play: PlayDevice, tmp_path: Path) -> None:
    """What the service will never take is sent once."""
    session = ScriptedSession(errands=deque([Refused("M_FORBIDDEN", http_status=403)] * 2))
    lines = _send(play, session, tmp_path)
    assert [line["outcome"] for line in events_of(lines, "to_device_send_failed")] == ["fail", "fail"]
    assert len(session.asked) == 2


def test_arrivals_and_confirmations_are_recorded(play: PlayDevice) -> None:
    """Every copy, with the way it came, and each message that the service knows to be there."""
    session = ScriptedSession("c1")

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        for item in (ForDevice("k1", "alice", "a key", via="sync"), ForDevice("k1", "alice", "a key")):
            session.pushed.put_nowait(item)
        session.pushed.put_nowait(Confirmed(("k1", "k2")))
        await asyncio.sleep(1)

    lines = play(ScriptedDriver(dials=deque([session])), scene)
    arrived = events_of(lines, "to_device_arrived")
    assert [(line["client_message_id"], line["via"], line["sender"]) for line in arrived] == [
        ("k1", "sync", "alice"),
        ("k1", "live", "alice"),
    ]
    assert len({line["body_digest"] for line in arrived}) == 1
    confirmed = events_of(lines, "to_device_confirmed")
    assert [(line["client_message_id"], line["connection"]) for line in confirmed] == [("k1", "c1"), ("k2", "c1")]
    assert session.marked == []


def test_a_driver_without_them_is_told_by_name() -> None:
    """The user learns what to declare."""
    with pytest.raises(UsageError, match="no messages to devices"):
        as_device_messages(object())  # type: ignore[arg-type]


def _send(play: PlayDevice, session: ScriptedSession, folder: Path) -> list[Line]:
    """Let bob's phone send one message to each device of alice's, and return what it recorded of that."""

    async def scene(agent: DeviceAgent) -> None:
        agent.come_online()
        recorder = Recorder(folder, run="r", role="keys", observer="client", clock=VirtualClock())
        to = ToDevices(agent, ["alice/phone", "alice/laptop"], recorder, key=b"key")
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                await to.play([ONE], VirtualClock(), Lag())
        recorder.close()

    lines = play(ScriptedDriver(dials=deque([session])), scene)
    return [line for line in lines if line["event"].startswith("to_device")]
