"""One device over scripted sessions, in virtual time: what it does when its token dies."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from harness.drivers.api import (
    Accepted,
    Closed,
    Incoming,
    Outgoing,
    Refused,
    TokenRejected,
    Unknown,
)
from harness.swarm.device import DeviceAgent
from harness.testing.clients import LOST, PlayDevice, events_of, for_bob
from harness.testing.scripted import NEVER, ScriptedDriver, ScriptedSession

EXPIRED: list[Incoming] = [TokenRejected("token_expired"), Closed(4001, "", clean=False)]


def end_for_the_token(session: ScriptedSession) -> None:
    """What a service does when the token of a live connection expires."""
    for item in EXPIRED:
        session.pushed.put_nowait(item)


def test_a_token_that_expires_in_mid_session_is_refreshed_and_used(play: PlayDevice) -> None:
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
    tokens = events_of(lines, "token_issued", "token_expired", "token_refresh_started", "token_refreshed")
    assert [line["event"] for line in tokens] == [
        "token_issued",
        "token_expired",
        "token_refresh_started",
        "token_refreshed",
    ]
    assert tokens[1].items() >= {"connection": "c1", "credential_ref": tokens[0]["credential_ref"]}.items()
    sends = events_of(lines, "client_send_started")
    assert [line["credential_ref"] for line in sends] == [tokens[0]["credential_ref"], tokens[3]["credential_ref"]]


def test_a_connection_ends_with_the_token_it_was_opened_with(play: PlayDevice) -> None:
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
    assert len(events_of(lines, "token_refresh_started")) == 1
    assert first.sent == [("c9", 1), ("c9", 2)]


def test_a_send_over_http_needs_no_live_connection(play: PlayDevice) -> None:
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
    assert events_of(lines, "server_accepted")[0]["op"] == "c1"
    assert driver.logged_in == 1


class Strict(ScriptedSession):
    """A session that takes nothing with the token of the first login."""

    async def send(self, message: Outgoing, *, attempt: int) -> Accepted | Refused | Unknown:
        """Refuse that token."""
        if self.credential == "login-1":
            return Refused("token_expired", http_status=401)
        return await ScriptedSession.send(self, message, attempt=attempt)


@pytest.mark.parametrize(("defects", "refreshes"), [((), 1), (("refreshes_in_parallel",), 6)])
def test_requests_that_meet_a_dead_token(play: PlayDevice, defects: tuple[str, ...], refreshes: int) -> None:
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

    lines = play(driver, scene, defects=defects)
    assert first.refreshed == refreshes
    assert len([line for line in events_of(lines, "token_expired") if "op" in line]) == (5 if defects else 1)


def test_a_new_login_takes_a_new_connection(play: PlayDevice) -> None:
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
    assert "token_replaced" in {line["error_code"] for line in events_of(lines, "connection_lost")}


def test_a_door_that_refuses_the_token_gets_another(play: PlayDevice) -> None:
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
    assert events_of(lines, "token_expired")[0]["link"] == "client->chat"


def test_marks_that_meet_a_limit_are_made_later(play: PlayDevice) -> None:
    """A receipt that was refused for a while is owed as before."""
    session = ScriptedSession(marks=deque([Refused("rate_limited", http_status=429, retry_after_ms=100)]))

    async def scene(agent: DeviceAgent) -> None:
        await agent.follow_to_end()
        session.pushed.put_nowait(for_bob(1))
        await asyncio.sleep(5)

    play(ScriptedDriver(dials=deque([session])), scene)
    assert session.marked.count(("m1", "delivered")) == 2
