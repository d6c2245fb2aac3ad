"""Bob's phone, and where a test finds servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from harness.core.clock import SystemClock
from harness.drivers.api import Account, Device, Endpoint
from harness.drivers.xmpp.driver import XmppDriver, make
from harness.drivers.xmpp.session import XmppSession

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
