"""Alice and bob on a real XMPP server: for tests of the driver and the stacks."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.clock import SystemClock
from harness.drivers.api import Account, Device, Endpoint, Incoming, Outgoing, Page, Person
from harness.drivers.xmpp.driver import XmppDriver, make
from harness.drivers.xmpp.session import XmppSession
from harness.scenario.stackfile import load_stack
from harness.stacks.api import Order, Stack
from harness.stacks.launchers import launcher as launcher_of
from harness.stacks.watcher_client import Watcher
from harness.testing.chat_servers import Server

SERVERS: tuple[Server, ...] = ("prosody", "ejabberd")
DEVICES = {
    name: Device(name, name.partition("/")[0], "ios", "1.0.0") for name in ("alice/phone", "alice/laptop", "bob/phone")
}
PEOPLE = ("alice", "bob")
PATIENCE_S = 150
ITEM_WITHIN_S = 20


@dataclass(frozen=True, slots=True)
class Meeting:
    """A running server, and the accounts of alice and bob."""

    stack: Stack
    driver: XmppDriver
    accounts: dict[str, Account]

    @property
    def at(self) -> Endpoint:
        """Where devices find the server."""
        url = self.stack.url("client->chat")
        return Endpoint(url, url)

    async def connect(self, device: str) -> XmppSession:
        """Bring a device in, or back."""
        account = self.accounts[device.partition("/")[0]]
        session = await self.driver.connect(account, DEVICES[device], self.at, clock=SystemClock())
        if not isinstance(session, XmppSession):
            raise TypeError(f"{device} did not come in: {session}")
        return session


@asynccontextmanager
async def meeting(
    server: str, folder: Path, options: dict[str, str], parameters: dict[str, str], launcher: str = "embedded"
) -> AsyncIterator[Meeting]:
    """Launch a server and make accounts."""
    run = f"test-{secrets.token_hex(4)}"
    order = {"spec": load_stack(server, parameters=parameters), "run": run, "folder": folder, "key": "00"}
    for name in ("events", "logs"):
        (folder / name).mkdir(exist_ok=True)
    async with (
        asyncio.timeout(PATIENCE_S),
        Watcher.start(folder / "journal.jsonl", run=run) as watcher,
        launcher_of(launcher).launch(Order(processes=watcher, **order)) as stack,  # type: ignore[arg-type]
    ):
        driver = make({"domain": "chat.test", **options})
        url = stack.direct_url("chat")
        people = [Person(name, name.title(), ()) for name in PEOPLE]
        yield Meeting(stack, driver, dict(await driver.provision(people, Endpoint(url, url))))


Scene = Callable[[Meeting], Awaitable[None]]
Play = Callable[..., None]


def says(number: int, attempt: int = 1) -> dict[str, Any]:
    """A message of alice's and which attempt it is."""
    return {"message": Outgoing(f"c{number}", "alice+bob", "bob", f"hello {number}", 0), "attempt": attempt}


async def items(session: XmppSession, count: int) -> list[Incoming]:
    """The next items of the live connection."""
    incoming = session.incoming()
    async with asyncio.timeout(ITEM_WITHIN_S):
        return [await anext(incoming) for _ in range(count)]


async def archive(session: XmppSession) -> list[str]:
    """Ids of everything in a device's archive, in its order."""
    found, page = [], await session.sync(None)
    while True:
        if not isinstance(page, Page):
            raise TypeError(f"the archive could not be read: {page}")
        found += [item.message_id for item in page.items]
        if not page.more:
            return found
        page = await session.sync(page.cursor)
