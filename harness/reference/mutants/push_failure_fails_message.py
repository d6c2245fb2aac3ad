"""Withdraws a message whose push has failed."""

from __future__ import annotations

from harness.reference.parts import Parts
from harness.reference.push_store import Job, PushStore

WITHDRAW = "DELETE FROM feed WHERE message_id = ?"


class FailsTheMessage(PushStore):
    """Has one state for a message and its push: once that is failed, feeds no longer show the message."""

    async def postpone(self, job: Job) -> None:
        """Note the failure on the message too."""
        await self._withdraw(job)
        await super().postpone(job)

    async def drop(self, job: Job) -> None:
        """Note the failure on the message too."""
        await self._withdraw(job)
        await super().drop(job)

    async def _withdraw(self, job: Job) -> None:
        await self.database.write(lambda connection: connection.run(WITHDRAW, (job.message_id,)))


PARTS = Parts(push_store=FailsTheMessage)
