"""Driver ``stdio``: the people's devices are programs of the user's own; another driver makes accounts and reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.drivers.api import (
    Account,
    Credential,
    Device,
    Driver,
    Endpoint,
    Introductions,
    Person,
    Refused,
    Session,
    Stored,
    Unknown,
)
from harness.drivers.registry import driver
from harness.drivers.stdio.options import Command, command


def make(options: Mapping[str, str]) -> StdioDriver:
    """Return the driver; raises ``UsageError`` for options that are missing or wrong."""
    found = command(options)
    return StdioDriver(found, driver(found.truth, found.truth_options))


class StdioDriver:
    """A client program for each device, and ``truth`` for what is no client's business.

    The program is the whole client: nothing of ours sends, retries or receives, so there is no session to open.
    """

    kind = "stdio"
    capabilities: frozenset[str] = frozenset()

    def __init__(self, program: Command, truth: Driver) -> None:
        self.program = program
        self.rejected_without_effect = truth.rejected_without_effect
        self._truth = truth

    def direct_conversation(self, one: str, other: str) -> str:
        """Return the id that the service gives the conversation of two people."""
        return self._truth.direct_conversation(one, other)

    async def introduce(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Make what pairs of people need to write to each other."""
        if isinstance(self._truth, Introductions):
            await self._truth.introduce(pairs)

    async def provision(self, people: Sequence[Person], at: Endpoint) -> Mapping[str, Account]:
        """Make an account for each person."""
        return await self._truth.provision(people, at)

    async def login(self, account: Account, device: Device, at: Endpoint) -> Credential | Refused | Unknown:
        """Log in as the harness, not as the client."""
        return await self._truth.login(account, device, at)

    async def connect(
        self,
        account: Account,  # noqa: ARG002 - the Protocol's
        device: Device,
        at: Endpoint,  # noqa: ARG002 - the Protocol's
        *,
        clock: Clock,  # noqa: ARG002 - the Protocol's
        credential: Credential | None = None,  # noqa: ARG002 - the Protocol's
    ) -> Session | Refused | Unknown:
        """Refuse: a device's client is a program, which connects by itself."""
        raise UsageError(f"{device.id} is played by a program", hint="a `stdio` client connects by itself")

    def read_all(self, account: Account, at: Endpoint) -> AsyncIterator[Stored]:
        """Read everything the account can see from the archive."""
        return self._truth.read_all(account, at)
