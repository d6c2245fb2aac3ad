"""Registers the push tokens of devices, as apps do after their first log-in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from harness.core.digests import secret_ref
from harness.core.errors import EnvironmentFault
from harness.core.seeds import Seed
from harness.drivers.api import Device, Refused
from harness.history.recorder import Recorder
from harness.swarm.agent import Agent


def push_token(device: Device, *, seed: Seed, salt: str) -> str:
    """Return a device's token at the provider simulator, whose tokens name their device in clear."""
    name = device.id.partition("/")[2]
    return f"up.{device.person}.{name}.{seed.number('push', device.id, salt):016x}"


async def register_push_tokens(
    agents: Iterable[Agent], recorder: Recorder, *, seed: Seed, salt: str, key: bytes
) -> None:
    """Register one token for each device, once; raises ``EnvironmentFault`` when the service takes one not."""

    async def register(agent: Agent) -> None:
        token = push_token(agent.device, seed=seed, salt=salt)
        outcome = await agent.errands.run(lambda session: session.register_push(token))
        if isinstance(outcome, Refused):
            raise EnvironmentFault(
                f"the service did not take the push token of {agent.device.id}: {outcome.error_code}",
                hint="its log says more",
            )
        recorder.record("push_token_registered", device=agent.device.id, push_ref=secret_ref(key, token))

    problems = await asyncio.gather(*map(register, agents), return_exceptions=True)
    for problem in problems:
        if problem is not None:
            raise problem
