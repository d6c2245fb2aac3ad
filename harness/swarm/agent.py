"""What a run can do with a device, whoever plays it: our own client, or a program of the user's."""

from __future__ import annotations

from typing import Protocol

from harness.drivers.api import Device, Outgoing
from harness.swarm.clocks import DeviceClock
from harness.swarm.errands import Errands


class Mailbox(Protocol):
    """Where a device's user puts messages."""

    @property
    def pending(self) -> int:
        """Messages that are not settled."""
        ...

    @property
    def in_flight(self) -> int:
        """Messages whose current attempt awaits its answer."""
        ...

    def submit(self, message: Outgoing, *, intended_ns: int) -> None:
        """Take a message that was due at ``intended_ns`` (monotonic)."""
        ...

    def give_up(self) -> None:
        """Take nothing new; what is unsettled is settled by what is known of it."""
        ...


class Agent(Protocol):
    """One device from its first appearance to the end of the run."""

    device: Device
    clock: DeviceClock
    in_touch: bool

    @property
    def outbox(self) -> Mailbox:
        """Takes what the user writes."""
        ...

    @property
    def errands(self) -> Errands:
        """Makes requests in the device's name."""
        ...

    @property
    def last_error(self) -> str:
        """Why the device was last without a connection."""
        ...

    def come_online(self) -> None:
        """Appear, for the first time or again; harmless when online."""
        ...

    async def go_offline(self) -> None:
        """Leave on purpose; harmless when offline."""
        ...

    async def follow_to_end(self) -> None:
        """Fetch everything that there is for the device."""
        ...

    async def leave(self) -> None:
        """End in order at the end of the run."""
        ...
