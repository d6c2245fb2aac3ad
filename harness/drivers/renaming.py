"""People who go by other names on the service than in the scenario, so that they meet nobody of the same name there.

A system that outlives a run has accounts already: those of earlier runs, and perhaps of real people. Everything that
leaves the driver here carries a suffix, everything that comes back has lost it, so that the history knows one name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from harness.core.clock import Clock
from harness.drivers.api import (
    Accepted,
    Account,
    Credential,
    Delivered,
    Device,
    DeviceMessages,
    Driver,
    Endpoint,
    ForDevice,
    Group,
    Groups,
    Incoming,
    Introductions,
    Outgoing,
    Page,
    Person,
    Receipt,
    ReceiptState,
    Refreshed,
    Refused,
    Resumption,
    Session,
    Stored,
    ToDevice,
    Unknown,
)


class Names:
    """Scenario names to account names and back."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix

    def there(self, name: str) -> str:
        """Return what a person of the scenario is called on the service."""
        return name + self._suffix

    def here(self, name: str) -> str:
        """Return what somebody on the service is called in the scenario; a stranger keeps the name."""
        return name.removesuffix(self._suffix)


class RenamingDriver:
    """A driver whose people have a suffix on the service; everything else is the driver's own."""

    def __init__(self, inner: Driver, suffix: str) -> None:
        self._inner = inner
        self._names = Names(suffix)
        self.kind = inner.kind
        self.capabilities = inner.capabilities
        self.rejected_without_effect = inner.rejected_without_effect

    def direct_conversation(self, one: str, other: str) -> str:
        """Return the id that the service gives the conversation of the two."""
        return self._inner.direct_conversation(self._names.there(one), self._names.there(other))

    async def introduce(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Make what pairs of people need to write to each other."""
        if isinstance(self._inner, Introductions):
            await self._inner.introduce([(self._names.there(one), self._names.there(other)) for one, other in pairs])

    async def provision(self, people: Sequence[Person], at: Endpoint) -> Mapping[str, Account]:
        """Make the accounts; the answer has the people's own names."""
        made = await self._inner.provision([replace(one, name=self._names.there(one.name)) for one in people], at)
        return {one.name: replace(made[self._names.there(one.name)], person=one.name) for one in people}

    async def login(self, account: Account, device: Device, at: Endpoint) -> Credential | Refused | Unknown:
        """Get a credential."""
        return await self._inner.login(self._account(account), self._device(device), at)

    async def connect(
        self, account: Account, device: Device, at: Endpoint, *, clock: Clock, credential: Credential | None = None
    ) -> Session | Refused | Unknown:
        """Open the live connection."""
        session = await self._inner.connect(
            self._account(account), self._device(device), at, clock=clock, credential=credential
        )
        if isinstance(session, Refused | Unknown):
            return session
        return _renamed(session, self._names)

    async def read_all(self, account: Account, at: Endpoint) -> AsyncIterator[Stored]:
        """Read the account's archive."""
        async for stored in self._inner.read_all(self._account(account), at):
            yield replace(stored, sender=self._names.here(stored.sender))

    def _account(self, account: Account) -> Account:
        return replace(account, person=self._names.there(account.person))

    def _device(self, device: Device) -> Device:
        return replace(device, person=self._names.there(device.person))


class _Session:
    def __init__(self, inner: Session, names: Names) -> None:
        self._inner = inner
        self._names = names
        self.connection = inner.connection
        self.credential = inner.credential
        self.resumed = isinstance(inner, Resumption) and inner.resumed

    async def send(self, message: Outgoing, *, attempt: int) -> Accepted | Refused | Unknown:
        if message.recipient is not None:
            message = replace(message, recipient=self._names.there(message.recipient))
        return await self._inner.send(message, attempt=attempt)

    async def incoming(self) -> AsyncIterator[Incoming]:
        async for item in self._inner.incoming():
            match item:
                case Delivered():
                    yield self._delivered(item)
                case ForDevice():
                    yield replace(item, sender=self._names.here(item.sender))
                case Receipt():
                    yield replace(item, by=self._names.here(item.by))
                case _:
                    yield item

    async def sync(self, cursor: str | None) -> Page | Refused | Unknown:
        page = await self._inner.sync(cursor)
        return replace(page, items=tuple(map(self._delivered, page.items))) if isinstance(page, Page) else page

    async def mark(self, message_id: str, state: ReceiptState) -> Refused | Unknown | None:
        return await self._inner.mark(message_id, state)

    async def refresh(self) -> Refreshed | Refused | Unknown:
        outcome = await self._inner.refresh()
        self.credential = self._inner.credential
        return outcome

    async def register_push(self, token: str | None) -> Refused | Unknown | None:
        return await self._inner.register_push(token)

    async def close(self, *, abrupt: bool = False) -> None:
        await self._inner.close(abrupt=abrupt)

    def _delivered(self, item: Delivered) -> Delivered:
        return replace(item, sender=self._names.here(item.sender))


class _GroupSession(_Session):
    def __init__(self, inner: Session, names: Names) -> None:
        super().__init__(inner, names)
        assert isinstance(inner, Groups)  # noqa: S101 - for the type checker; the caller has looked
        self._groups: Groups = inner

    async def create_group(self, members: Sequence[str]) -> Group | Refused | Unknown:
        return await self._groups.create_group([self._names.there(member) for member in members])

    async def join(self, conversation_id: str) -> Refused | Unknown | None:
        return await self._groups.join(conversation_id)

    async def leave(self, conversation_id: str) -> Refused | Unknown | None:
        return await self._groups.leave(conversation_id)

    async def block(self, user: str) -> Refused | Unknown | None:
        return await self._groups.block(self._names.there(user))

    async def unblock(self, user: str) -> Refused | Unknown | None:
        return await self._groups.unblock(self._names.there(user))


class _DeviceSession(_GroupSession):
    def __init__(self, inner: Session, names: Names) -> None:
        super().__init__(inner, names)
        assert isinstance(inner, DeviceMessages)  # noqa: S101 - as above
        self._devices: DeviceMessages = inner

    async def send_to_device(self, message: ToDevice) -> Refused | Unknown | None:
        return await self._devices.send_to_device(replace(message, recipient=self._names.there(message.recipient)))


def _renamed(session: Session, names: Names) -> _Session:
    """Wrap a session as one that can do the same; whoever has messages to devices has groups."""
    if not isinstance(session, Groups):
        return _Session(session, names)
    return (_DeviceSession if isinstance(session, DeviceMessages) else _GroupSession)(session, names)
