"""One person blocks another, between the two of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from harness.core.plan import BlockWorkload
from harness.drivers.api import Refused
from harness.history.recorder import Recorder
from harness.swarm.agent import Agent
from harness.swarm.groups import as_groups


async def block_in_time(workload: BlockWorkload, agents: Mapping[str, Agent], recorder: Recorder) -> None:
    """Block at the workload's time, which counts from now; ``agents`` are the devices that people act on.

    One that the service finally refuses leaves its beginning without an end: the checks treat it as open.
    """
    agent = agents[workload.by]

    def tell(event: str) -> None:
        recorder.record(
            event, device=agent.device.id, sender=workload.by, recipient=workload.of, detail={"change": "block"}
        )

    await asyncio.sleep(workload.at_s)
    tell("membership_changing")
    if not isinstance(await agent.errands.run(lambda session: as_groups(session).block(workload.of)), Refused):
        tell("membership_changed")
