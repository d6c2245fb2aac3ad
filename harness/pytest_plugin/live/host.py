"""One running stack that the tests of a session share, each with people of its own."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from harness.core.errors import EnvironmentFault
from harness.engine.folder import RunFolder
from harness.engine.options import RunOptions
from harness.engine.standing import standing
from harness.proxy.adapter import ToxiproxyServer, connect
from harness.pytest_plugin.live.edges import spare_people
from harness.stacks.api import Stack
from harness.stacks.watcher_client import Watcher


@dataclass(slots=True)
class Host:
    """The stack with what a test's run needs of it. ``spoiled`` says how a test left it unfit for others."""

    stack: Stack
    server: ToxiproxyServer
    watcher: Watcher
    folder: RunFolder
    options: RunOptions
    key: str
    spoiled: str = ""
    spare: list[str] = field(default_factory=list)
    """People whose edges tests may have for a while; see ``harness.pytest_plugin.live.edges``."""
    _numbers: defaultdict[str, itertools.count[int]] = field(
        default_factory=lambda: defaultdict(lambda: itertools.count(1))
    )

    def person(self, name: str) -> str:
        """Return a name that nobody on this stack has yet: tests must not find each other's messages."""
        number = next(self._numbers[name])
        return name if number == 1 else f"{name}-{number}"


@asynccontextmanager
async def running(options: RunOptions) -> AsyncIterator[Host]:
    """Start the stack and take it down, with everything that belongs to it, at the end.

    Raises ``UsageError`` for a choice that does not exist, ``EnvironmentFault`` for a stack that does not start.
    """
    spare = spare_people(options.launcher)
    async with (
        standing(options, people=spare) as there,
        await connect(there.stack.proxy.url) as server,
    ):
        yield Host(there.stack, server, there.watcher, there.folder, options, there.key, spare=spare)


def refuse_spoiled(host: Host) -> None:
    """Raise ``EnvironmentFault`` when an earlier test left the stack disturbed."""
    if host.spoiled:
        raise EnvironmentFault(
            f"the stack is not as it was: {host.spoiled}", hint="start with the first test that failed"
        )
