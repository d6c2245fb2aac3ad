"""Driver for the reference chat backend (source of all facts: ``docs/reference-protocol.md``)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import count

import msgspec

from harness.core.clock import Clock
from harness.core.errors import EnvironmentFault, UsageError
from harness.drivers.api import (
    Account,
    Credential,
    Device,
    Endpoint,
    IncompleteRead,
    Person,
    Refused,
    Stored,
    Unknown,
)
from harness.drivers.reference.frames import ArchivePage
from harness.drivers.reference.http import (
    REJECTED_WITHOUT_EFFECT,
    Client,
    error_code,
    new_client,
    refusal,
    request,
)
from harness.drivers.reference.rest import login
from harness.drivers.reference.session import ReferenceSession
from harness.drivers.wire import Denied, open_wire

PING_EVERY_S = 1.0
"""A device that only receives notices a black hole by nothing else than missing pongs."""
ARCHIVE_PAGE = 500
REGISTRATIONS_AT_ONCE = 16
ORACLE_DEVICE = "oracle"


def make(options: Mapping[str, str]) -> ReferenceDriver:
    """Return the driver; it takes no options, and raises ``UsageError`` for any."""
    if options:
        raise UsageError(
            f"driver 'reference' takes no option {next(iter(options))!r}", hint="remove it from the stack file"
        )
    return ReferenceDriver()


class ReferenceDriver:
    """Speaks the reference protocol: HTTP for accounts and the archive, a WebSocket for everything live."""

    kind = "reference"
    capabilities: frozenset[str] = frozenset(
        {"blocks", "direct_blocks", "groups", "http_send", "membership", "push", "refresh_token", "to_device"}
    )
    rejected_without_effect = REJECTED_WITHOUT_EFFECT

    def __init__(self) -> None:
        self._connections = count(1)
        self._ping_every_s = PING_EVERY_S

    def ping_every(self, seconds: float) -> None:
        """Ping connections that are opened from now on only so often."""
        self._ping_every_s = seconds

    def direct_conversation(self, one: str, other: str) -> str:
        """Both sides compute the same id; the service sends it back in its acknowledgement."""
        return "d:" + ":".join(sorted((one, other)))

    async def provision(self, people: Sequence[Person], at: Endpoint) -> Mapping[str, Account]:
        """Register everybody under their own names."""
        some = asyncio.Semaphore(REGISTRATIONS_AT_ONCE)
        async with new_client() as client:

            async def register(person: Person) -> Account:
                async with some:
                    return await _register(person, at, client)

            accounts = await asyncio.gather(*map(register, people))
        return {account.person: account for account in accounts}

    async def login(self, account: Account, device: Device, at: Endpoint) -> Credential | Refused | Unknown:
        """Get an access and a refresh token."""
        return await login(account, device.id, at)

    async def connect(
        self,
        account: Account,
        device: Device,
        at: Endpoint,
        *,
        clock: Clock,  # noqa: ARG002 - no client time in this handshake
        credential: Credential | None = None,
    ) -> ReferenceSession | Refused | Unknown:
        """Open the WebSocket at the address that the login's answer gave, or else at ``at.chat``."""
        shown = credential or await self.login(account, device, at)
        if isinstance(shown, Refused | Unknown):
            return shown
        address = _websocket(shown.chat or f"{at.chat}/v1/ws")
        shows = {"Authorization": f"Bearer {shown.token}"}
        wire = await open_wire(address, shows, ping_every_s=self._ping_every_s)
        if isinstance(wire, Denied):
            return refusal(wire.status, error_code(wire.status, wire.body), wire.headers)
        if isinstance(wire, Refused | Unknown):
            return wire
        number = next(self._connections)
        return ReferenceSession(wire, connection=f"{device.id}#{number}", credential=shown, at=at)

    async def read_all(self, account: Account, at: Endpoint) -> AsyncIterator[Stored]:
        """Read the account's archive page by page to its end."""
        async with new_client() as client:
            shown = await login(account, ORACLE_DEVICE, at, client)
            if isinstance(shown, Refused | Unknown):
                raise _broken_off(account, shown.error_code)
            cursor: str | None = None
            while True:
                page = await _archive_page(account, at, shown.token, cursor, client)
                for item in page.items:
                    yield item.stored()
                if not page.more:
                    return
                cursor = page.cursor


async def _register(person: Person, at: Endpoint, client: Client) -> Account:
    account = Account(person.name, person.name, secrets.token_urlsafe(12))
    wanted = {"user": account.user, "password": account.password}
    answer = await request("POST", f"{at.auth}/v1/register", json=wanted, client=client)
    if isinstance(answer, Refused | Unknown):
        raise EnvironmentFault(
            f"the service made no account for {person.name}: {answer.error_code}",
            hint="each run needs a service with fresh data; its log says more",
        )
    return account


async def _archive_page(account: Account, at: Endpoint, token: str, cursor: str | None, client: Client) -> ArchivePage:
    params = {"limit": str(ARCHIVE_PAGE)} | ({} if cursor is None else {"cursor": cursor})
    answer = await request("GET", f"{at.chat}/v1/archive", params=params, token=token, client=client)
    if isinstance(answer, Refused | Unknown):
        raise _broken_off(account, answer.error_code)
    try:
        page = msgspec.convert(answer, ArchivePage)
    except msgspec.ValidationError as wrong:
        raise _broken_off(account, str(wrong)) from wrong
    if page.more and page.cursor == cursor:
        raise _broken_off(account, "the cursor does not move")
    return page


def _broken_off(account: Account, why: str) -> IncompleteRead:
    return IncompleteRead(f"the archive of {account.person} could not be read to its end: {why}")


def _websocket(url: str) -> str:
    return "ws" + url.removeprefix("http") if url.startswith("http") else url
