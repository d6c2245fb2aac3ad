"""The driver Protocol: how one chat protocol is spoken as a device.

One call is one wire attempt. A driver never retries, de-duplicates, reorders or hides anything, and the outcomes
of a call are values, not exceptions: a refused send is as much a result as an accepted one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from harness.core.clock import Clock
from harness.core.events import Via
from harness.core.plan import Transport

ReceiptState = Literal["delivered", "read"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Base addresses (``http://127.0.0.1:PORT``) of the services a device talks to, each behind its own link."""

    chat: str
    auth: str


@dataclass(frozen=True, slots=True)
class Device:
    """One device of one person; ``id`` is ``alice/phone``."""

    id: str
    person: str
    platform: str
    client_version: str


@dataclass(frozen=True, slots=True)
class Person:
    """A simulated person, made from the seed."""

    name: str
    display_name: str
    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """What a person logs in with; ``password`` never reaches an event or a log."""

    person: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Credential:
    """What a device shows to be let in; ``token`` and ``refresh_token`` never reach an event or a log.

    ``chat`` is the address that the login gave for the live connection, where it gave one.
    """

    token: str
    refresh_token: str | None = None
    expires_in_s: float | None = None
    chat: str | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one person, or with ``recipient`` None to a group; the same ``client_message_id`` every time.

    ``over`` is the transport where a protocol has several ways to send.
    """

    client_message_id: str
    conversation_id: str
    recipient: str | None
    body: str
    client_time_ns: int
    over: Transport = "websocket"


@dataclass(frozen=True, slots=True)
class ToDevice:
    """One message to one device (``bob/phone``) of somebody; the same ``id``, which arrives with it, every time."""

    id: str
    recipient: str
    device: str
    body: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The acknowledgement reached the client."""

    message_id: str
    conversation_id: str
    conversation_seq: int | None = None
    server_time_ns: int | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The service answered that it did not do it, or no byte of the request left the device."""

    error_code: str
    http_status: int | None = None
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request may or may not have been carried out: a reset, a time-out, a 5xx."""

    error_code: str
    http_status: int | None = None
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that reached this device over its live connection or in a page of a sync.

    ``via`` says by which of several ways, where the protocol has several; None: ``live``, or in a page ``sync``.
    """

    message_id: str
    client_message_id: str | None
    conversation_id: str
    sender: str
    body: str
    conversation_seq: int | None = None
    server_time_ns: int | None = None
    via: Via | None = None


@dataclass(frozen=True, slots=True)
class Bounced:
    """A message of this device's that the service could not deliver came back, after it had been acknowledged."""

    message_id: str
    client_message_id: str
    error_code: str


@dataclass(frozen=True, slots=True)
class ForDevice:
    """A message to this very device; it may come again until the service knows that it is there.

    ``via`` is ``sync`` where the device had asked for it without a word of what it has: then it may come at any time.
    """

    id: str
    sender: str
    body: str
    via: Via = "live"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The service knows now that this device has these messages to it, and may forget them."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Word that ``device`` of ``by`` got or opened a message."""

    message_id: str
    state: ReceiptState
    by: str
    device: str | None = None


@dataclass(frozen=True, slots=True)
class TokenRejected:
    """The service said on the live connection that the credential is no longer good."""

    error_code: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The live connection ended; always the last item of ``incoming``."""

    code: int | None
    reason: str
    clean: bool


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a sync: ``more`` tells whether the cursor has further items behind it.

    ``filled`` is in how many conversations the service had left something out that was then fetched on its own.
    """

    items: tuple[Delivered, ...]
    cursor: str
    more: bool
    filled: int = 0


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A new credential was issued and is used from now on."""

    credential: Credential


@dataclass(frozen=True, slots=True)
class Group:
    """A group conversation was made."""

    conversation_id: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A message found in the archive by the oracle's reading."""

    message_id: str
    client_message_id: str | None
    conversation_id: str
    sender: str
    body: str
    conversation_seq: int | None = None
    server_time_ns: int | None = None


Incoming = Delivered | Bounced | ForDevice | Confirmed | Receipt | TokenRejected | Closed


class Session(Protocol):
    """A logged-in live connection of one device; what needs no connection works after its end, too."""

    connection: str
    """Id of this connection, unique in a run."""

    credential: str
    """The secret in use; recorded only as a reference."""

    async def send(self, message: Outgoing, *, attempt: int) -> Accepted | Refused | Unknown:
        """Send once and wait for the answer; the caller sets the time limit by cancelling."""
        ...

    def incoming(self) -> AsyncIterator[Incoming]:
        """Yield what the service pushes; ends after ``Closed``."""
        ...

    async def sync(self, cursor: str | None) -> Page | Refused | Unknown:
        """Read one page of what came after ``cursor`` (None: from the beginning)."""
        ...

    async def mark(self, message_id: str, state: ReceiptState) -> Refused | Unknown | None:
        """Tell the service that this device got or opened a message; None when it was taken."""
        ...

    async def refresh(self) -> Refreshed | Refused | Unknown:
        """Get a new credential for this session's; works after the connection has ended."""
        ...

    async def register_push(self, token: str | None) -> Refused | Unknown | None:
        """Register, or with None remove, this device's push token."""
        ...

    async def close(self, *, abrupt: bool = False) -> None:
        """Say goodbye and close, or with ``abrupt`` just vanish."""
        ...


@runtime_checkable
class Groups(Protocol):
    """What a session can do besides where the protocol has group conversations and blocks; None: it was done."""

    async def create_group(self, members: Sequence[str]) -> Group | Refused | Unknown:
        """Make a group of these people (users), the caller among them."""
        ...

    async def join(self, conversation_id: str) -> Refused | Unknown | None:
        """Become a member."""
        ...

    async def leave(self, conversation_id: str) -> Refused | Unknown | None:
        """Stop being a member."""
        ...

    async def block(self, user: str) -> Refused | Unknown | None:
        """See nothing more of somebody."""
        ...

    async def unblock(self, user: str) -> Refused | Unknown | None:
        """Take a block back."""
        ...


@runtime_checkable
class DeviceMessages(Protocol):
    """What a session can do besides where messages can be sent to single devices.

    Those to its own come by ``incoming``. It tells the service that one is there, which ``Confirmed`` says in the end,
    only after whoever reads ``incoming`` has asked for the next item: what was not taken must be able to come again.
    """

    async def send_to_device(self, message: ToDevice) -> Refused | Unknown | None:
        """Send once and wait for the answer; None: the service keeps it for the device."""
        ...


@runtime_checkable
class Resumption(Protocol):
    """What a session knows besides where a connection that was lost can be gone on with."""

    resumed: bool
    """Whether this one goes on with what the device's last had, and the service sends what that had missed."""


@runtime_checkable
class Introductions(Protocol):
    """What a driver can do besides where two people need a conversation made for them before they can write."""

    async def introduce(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Make what these pairs lack; after that ``direct_conversation`` tells its id.

        The people are provisioned. Raises ``EnvironmentFault`` when the service will not.
        """
        ...


@runtime_checkable
class Pings(Protocol):
    """What a driver can do besides where it asks, on each connection, whether the other end still lives."""

    def ping_every(self, seconds: float) -> None:
        """Ask only so often: a silent end is then noticed that much later."""
        ...


class Driver(Protocol):
    """One chat protocol."""

    kind: str
    capabilities: frozenset[str]
    rejected_without_effect: frozenset[int]
    """HTTP statuses after which the service has stored nothing."""

    def direct_conversation(self, one: str, other: str) -> str:
        """Return the id of the conversation of two people (see ``Introductions``), whoever of them writes first."""
        ...

    async def provision(self, people: Sequence[Person], at: Endpoint) -> Mapping[str, Account]:
        """Make an account for each person; raises ``EnvironmentFault`` when the service will not."""
        ...

    async def login(self, account: Account, device: Device, at: Endpoint) -> Credential | Refused | Unknown:
        """Get a credential for a device; an empty one where the protocol has no such thing."""
        ...

    async def connect(
        self, account: Account, device: Device, at: Endpoint, *, clock: Clock, credential: Credential | None = None
    ) -> Session | Refused | Unknown:
        """Open the live connection with ``credential``, or without one log in first: one attempt."""
        ...

    def read_all(self, account: Account, at: Endpoint) -> AsyncIterator[Stored]:
        """Read everything the account can see from the archive; raises ``IncompleteRead`` when it breaks off."""
        ...


class IncompleteRead(Exception):
    """The oracle's reading broke off: what was not read is unknown, not lost."""
