"""Looks for connections that went round the proxies: a fault cannot touch those."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from harness.core.stack import StackSpec, base_link
from harness.stacks.api import Stack
from harness.stacks.forms import CLIENT

LOOK_EVERY_S = 0.2
REST = 20
"""Rests are so many times as long as looks: reading the books of thousands must not cost what their messages need."""
SURE_AFTER = 2
"""Looks in a row that must agree: a connection in the making may not be in the proxy's books yet."""


class BypassWatch:
    """Counts, per service, the connections that came neither through a proxy nor from the harness."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._streak: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    async def look(self) -> None:
        """Count once, off the event loop: a host with many connections has long books to read."""
        for service in client_services(self._stack.spec):
            found = await asyncio.to_thread(self._stack.unproxied, service) or 0
            self._streak[service] = self._streak.get(service, 0) + 1 if found else 0
            if self._streak[service] >= SURE_AFTER:
                self._seen[service] = max(found, self._seen.get(service, 0))

    def seen(self, target: str) -> int:
        """Return the most connections that were seen going round the proxies of a link's service."""
        link = self._stack.spec.links.get(base_link(target))
        return 0 if link is None else self._seen.get(link.service, 0)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Look again and again while the block runs."""
        task = asyncio.create_task(self._forever(), name="bypass watch")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _forever(self) -> None:
        while True:
            began = time.monotonic()
            await self.look()
            await asyncio.sleep(max(LOOK_EVERY_S, REST * (time.monotonic() - began)))


def client_services(spec: StackSpec) -> frozenset[str]:
    """Services that people talk to."""
    return frozenset(link.service for link in spec.links.values() if link.source == CLIENT)
