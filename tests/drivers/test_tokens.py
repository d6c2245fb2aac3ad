"""One device's credential in virtual time: who gets a new one, when, and how often."""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from harness.drivers.api import Credential, Device, Refused, Unknown
from harness.drivers.naive import habits
from harness.drivers.tokens import Tokens
from harness.history.recorder import Recorder
from harness.testing.scripted import NEVER, ScriptedSession
from harness.testing.virtual_time import VirtualClock, run_virtual

Line = dict[str, Any]
Answer = Credential | Refused | Unknown
Scene = Callable[[Tokens], Awaitable[None]]

DEVICE = Device("alice/phone", "alice", "ios", "1.0.0")
REJECTED = Refused("refresh_rejected", http_status=401)


class Play(Protocol):
    """Plays a scene with the tokens of a device whose logins are answered in turn."""

    def __call__(self, scene: Scene, *, logins: Sequence[Answer] = (), defects: Sequence[str] = ()) -> list[Line]:
        """Return the events that were recorded."""
        ...


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Play a scene, with as many good logins behind the scripted ones as it takes."""

    def play(scene: Scene, *, logins: Sequence[Answer] = (), defects: Sequence[str] = ()) -> list[Line]:
        left = deque(logins)

        async def login() -> Answer:
            return left.popleft() if left else Credential("fresh", "refresh", 60.0)

        async def main() -> None:
            recorder = Recorder(tmp_path, run="r", role="swarm", observer="client", clock=VirtualClock())
            async with asyncio.TaskGroup() as tasks:
                tokens = Tokens(
                    DEVICE,
                    login,
                    recorder,
                    link="client->auth",
                    key=b"key",
                    rng=random.Random(1),
                    spawn=tasks.create_task,
                    habits=habits(defects),
                )
                tokens.start()
                await scene(tokens)
                await tokens.stop()

        run_virtual(main())
        return [json.loads(line) for file in tmp_path.iterdir() for line in file.read_text().splitlines()]

    return play


def names(lines: list[Line]) -> list[str]:
    """The events' names."""
    return [line["event"] for line in lines]


async def opened(tokens: Tokens, session: ScriptedSession) -> str:
    """Log in and open that session; return the token."""
    session.credential = (await tokens.good()).token
    tokens.opened(session)
    return session.credential


def test_a_login_serves_for_long(play: Play) -> None:
    """Whoever asks later gets the same token, and the history knows it by a reference only."""

    async def scene(tokens: Tokens) -> None:
        assert await tokens.good() is await tokens.good()

    (issued,) = play(scene)
    assert issued.items() >= {"event": "token_issued", "device": "alice/phone", "link": "client->auth"}.items()
    assert issued["detail"] == {"expires_in_s": 60.0}
    assert len(issued["credential_ref"]) == 12
    assert "fresh" not in json.dumps(issued)


def test_one_refresh_serves_all_that_wait(play: Play) -> None:
    """Twenty requests that were refused together cause one refresh and all get its token."""
    session = ScriptedSession(refresh_takes_s=0.2)

    async def scene(tokens: Tokens) -> None:
        token = await opened(tokens, session)

        async def refused() -> str:
            tokens.refused(token, "token_expired", http_status=401)
            return (await tokens.good()).token

        assert set(await asyncio.gather(*(refused() for _ in range(20)))) == {"token-1"}

    lines = play(scene)
    assert session.refreshed == 1
    assert names(lines)[-2:] == ["token_refresh_started", "token_refreshed"]
    assert names(lines).count("token_expired") == 20
    started, refreshed = lines[-2:]
    assert started["credential_ref"] == lines[0]["credential_ref"] != refreshed["credential_ref"]
    assert {started["attempt"], refreshed["attempt"]} == {1}


def test_a_refusal_of_a_token_that_was_replaced_changes_nothing(play: Play) -> None:
    """An answer that was long on its way must not cost the new token."""
    session = ScriptedSession()

    async def scene(tokens: Tokens) -> None:
        old = await opened(tokens, session)
        tokens.refused(old, "token_expired")
        new = await tokens.good()
        tokens.refused(old, "token_expired")
        assert await tokens.good() is new

    play(scene)
    assert session.refreshed == 1


def test_a_refresh_whose_answer_is_lost_is_repeated_with_growing_waits(play: Play) -> None:
    """With the same refresh token, which is still good, and without a new login."""
    session = ScriptedSession(refreshes=deque([NEVER, *[Unknown("connection_lost")] * 30, Refused("connect_failed")]))

    async def scene(tokens: Tokens) -> None:
        tokens.refused(await opened(tokens, session), "token_expired")
        await tokens.good()

    lines = play(scene)
    assert session.refreshed == 33
    assert names(lines).count("token_issued") == 1
    failed = [line for line in lines if line["event"] == "token_refresh_failed"]
    assert [line["attempt"] for line in failed] == list(range(1, 33))
    assert (failed[0]["outcome"], failed[0]["error_code"], failed[-1]["outcome"]) == ("unknown", "timeout", "fail")
    started = [line["mono_ns"] / 1e9 for line in lines if line["event"] == "token_refresh_started"]
    assert started[1] - started[0] == pytest.approx(2.5, abs=0.2)
    assert 10 < started[-1] - started[0] < 60


def test_a_refused_refresh_takes_a_new_login_at_once(play: Play) -> None:
    """Somebody who was logged out gets in again with their password, and the old refresh token is forgotten."""
    session = ScriptedSession(refreshes=deque([REJECTED]))

    async def scene(tokens: Tokens) -> None:
        tokens.refused(await opened(tokens, session), "token_revoked", http_status=401)
        assert (await tokens.good()).token == "second"
        tokens.refused("second", "unauthorized", http_status=401)
        assert (await tokens.good()).token == "fresh"

    lines = play(scene, logins=[Credential("first"), Credential("second")])
    assert session.refreshed == 1
    assert names(lines) == [
        "token_issued",
        "token_rejected",
        "token_refresh_started",
        "token_refresh_failed",
        "token_issued",
        "token_rejected",
        "token_issued",
    ]
    assert lines[4]["mono_ns"] == lines[3]["mono_ns"]


def test_a_refresh_that_is_limited_waits_as_long_as_it_was_asked(play: Play) -> None:
    """A limit at the log-in service is no reason to log in anew."""
    session = ScriptedSession(refreshes=deque([Refused("rate_limited", http_status=429, retry_after_ms=4000)]))

    async def scene(tokens: Tokens) -> None:
        tokens.refused(await opened(tokens, session), "token_expired")
        await tokens.good()

    lines = play(scene)
    assert names(lines).count("token_issued") == 1
    first, second = [line["mono_ns"] / 1e9 for line in lines if line["event"] == "token_refresh_started"]
    assert second - first >= 4.0


def test_failed_logins_are_lost_connections_with_growing_waits(play: Play) -> None:
    """They name the link that logins go over and why they failed."""

    async def scene(tokens: Tokens) -> None:
        await tokens.good()
        assert tokens.last_error == ""

    logins: list[Answer] = [Refused("connect_failed"), Unknown("timeout"), Refused("bad_credentials", http_status=401)]
    lines = play(scene, logins=logins)
    assert names(lines) == [*["connection_lost"] * 2, "token_rejected", "connection_lost", "token_issued"]
    assert [line["error_code"] for line in lines[:-1]] == ["connect_failed", "timeout", *["bad_credentials"] * 2]
    assert {line["link"] for line in lines} == {"client->auth"}


def test_a_device_that_is_away_asks_for_nothing(play: Play) -> None:
    """Whoever waits for a token goes on waiting, and gets it when the device is back."""
    session = ScriptedSession(refreshes=deque([NEVER]))

    async def scene(tokens: Tokens) -> None:
        tokens.refused(await opened(tokens, session), "token_expired")
        waiting = asyncio.create_task(tokens.good())
        await asyncio.sleep(0.5)
        await tokens.stop()
        await asyncio.sleep(60)
        assert session.refreshed == 1
        assert not waiting.done()
        tokens.start()
        await tokens.good()
        await waiting

    play(scene)
    assert session.refreshed == 2


def test_a_naive_client_refreshes_for_each_that_waits(play: Play) -> None:
    """Five pending requests, five refreshes at once."""
    session = ScriptedSession(refresh_takes_s=0.2)

    async def scene(tokens: Tokens) -> None:
        tokens.refused(await opened(tokens, session), "token_expired")
        await asyncio.gather(*(tokens.good() for _ in range(5)))

    lines = play(scene, defects=["refreshes_in_parallel"])
    assert session.refreshed == 5
    assert names(lines)[2:] == [*["token_refresh_started"] * 5, *["token_refreshed"] * 5]
