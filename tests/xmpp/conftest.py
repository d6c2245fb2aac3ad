"""Bob's phone, and where a test finds servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from harness.core.clock import SystemClock
from harness.drivers.api import Account, Device, Endpoint
from harness.drivers.xmpp.driver import XmppDriver, make
from harness.drivers.xmpp.session import XmppSession
from harness.testing.chat_servers import Server, required
from harness.testing.xmpp_meeting import SERVERS, Play, Scene, meeting

PHONE = Device("bob/phone", "bob", "ios", "1.0.0")
BOB = Account("bob", "bob", "secret-word")
Connecting = Callable[..., AbstractAsyncContextManager[XmppSession]]


@pytest.fixture
def driver() -> Callable[..., XmppDriver]:
    """Makes a driver; options may be given besides the one that it needs."""

    def made(**options: str) -> XmppDriver:
        return make({"domain": "chat.test", **options})

    return made


@pytest.fixture
def session() -> Connecting:
    """Opens bob's session by a driver."""

    @asynccontextmanager
    async def opened(driver: XmppDriver, at: Endpoint) -> AsyncIterator[XmppSession]:
        made = await driver.connect(BOB, PHONE, at, clock=SystemClock())
        assert isinstance(made, XmppSession)
        try:
            yield made
        finally:
            await made.close()

    return opened


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the servers that this machine has."""
    name: Server = request.param
    required(name)
    return name


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Runs a scene on a server; options of the driver may be given, and parameters of the stack."""

    def run(
        server: str,
        scene: Scene,
        parameters: dict[str, str] | None = None,
        launcher: str = "embedded",
        **options: str,
    ) -> None:
        async def whole() -> None:
            async with meeting(server, tmp_path, options, parameters or {}, launcher) as met:
                await scene(met)

        asyncio.run(whole())

    return run
