"""What a session's reader has put into its queue, as the one who listens takes it out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from harness.drivers.api import Closed, Incoming


async def arrivals(queue: asyncio.Queue[Incoming]) -> AsyncIterator[Incoming]:
    """Yield what comes until the connection has ended, its end included; for one reader.

    Whoever waits for ``queue.join()`` knows that the reader is through with everything.
    """
    while True:
        item = await queue.get()
        yield item
        queue.task_done()
        if isinstance(item, Closed):
            return
