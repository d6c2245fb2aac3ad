"""Bob's device, and what a homeserver tells it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from harness.core.clock import SystemClock
from harness.drivers.api import Account, Credential, Device
from harness.drivers.matrix.driver import MatrixDriver, make
from harness.drivers.matrix.session import MatrixSession
from harness.testing.homeserver import Homeserver

PHONE = Device("bob/phone", "bob", "ios", "1.0.0")
BOB = Account("bob", "bob", "secret-word")
Connecting = Callable[..., AbstractAsyncContextManager[MatrixSession]]


@pytest.fixture
def driver() -> Callable[..., MatrixDriver]:
    """Makes a driver; options may be given besides those that it needs."""

    def made(**options: str) -> MatrixDriver:
        return make({"server_name": "chat.test", "registration_secret": "hush", **options})

    return made


@pytest.fixture
def session(driver: Callable[..., MatrixDriver]) -> Connecting:
    """Opens bob's session, with the access token ``t0`` and the refresh token ``r0``."""

    @asynccontextmanager
    async def opened(server: Homeserver, **options: str) -> AsyncIterator[MatrixSession]:
        shown = Credential("t0", "r0")
        made = await driver(**options).connect(BOB, PHONE, server.at, clock=SystemClock(), credential=shown)
        assert isinstance(made, MatrixSession)
        try:
            yield made
        finally:
            await made.close()

    return opened


@pytest.fixture
def message() -> Callable[..., dict[str, Any]]:
    """Makes an event of a room's timeline: a message of alice's."""

    def made(number: int, **changes: Any) -> dict[str, Any]:
        event = {
            "event_id": f"$e{number}",
            "type": "m.room.message",
            "sender": "@alice:chat.test",
            "origin_server_ts": 1000 + number,
            "content": {"msgtype": "m.text", "body": f"hello {number}", "dev.chat-chaos.id": f"c{number}"},
        }
        return event | changes

    return made


@pytest.fixture
def synced() -> Callable[..., dict[str, Any]]:
    """Makes an answer to /sync: a token, and what is new in the room ``!r``."""

    def made(
        token: str, events: list[Any], *, receipts: dict[str, Any] | None = None, **timeline: Any
    ) -> dict[str, Any]:
        ephemeral = [{"type": "m.receipt", "content": receipts}] if receipts else []
        room = {"timeline": {"events": events, **timeline}, "ephemeral": {"events": ephemeral}}
        return {"next_batch": token, "rooms": {"join": {"!r:chat.test": room}}}

    return made


@pytest.fixture
def state() -> Callable[..., dict[str, Any]]:
    """Makes an event of a room's state: its making, somebody's membership, or who sees its history."""

    def made(kind: str, who: str, value: str = "") -> dict[str, Any]:
        key = {"member": "membership"}.get(kind, kind)
        return {
            "event_id": f"${kind}-{who}-{value}",
            "type": f"m.room.{kind}",
            "sender": f"@{who}:chat.test",
            "origin_server_ts": 1,
            "content": {key: value},
            "state_key": f"@{who}:chat.test" if kind == "member" else "",
        }

    return made
