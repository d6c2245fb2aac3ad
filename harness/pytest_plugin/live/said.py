"""What people were told to say, and waiting until it has come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from harness.swarm.control import SwarmClient

ACCEPTED = ("server_accepted",)
RECEIVED = ("recipient_online_delivered", "recipient_synced")
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Said:
    """One message: its client id and for whom it was."""

    id: str
    recipient: str


async def settle(swarm: SwarmClient, said: Sequence[Said], *, recover_within_s: float, deliver_within_s: float) -> None:
    """Wait until no message is under way and each that was accepted has arrived, no longer than promised."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + recover_within_s
    while (await swarm.status()).pending and loop.time() < deadline:  # noqa: ASYNC110 - it tells only when asked
        await asyncio.sleep(_LOOK_EVERY_S)
    deadline = loop.time() + deliver_within_s
    for message in said:
        if await swarm.sighted(message.id, ACCEPTED, by=None, within_s=0.0):
            left_s = max(0.0, deadline - loop.time())
            await swarm.sighted(message.id, RECEIVED, by=message.recipient, within_s=left_s)
