"""One running stack that the tests of a session share, each with people of its own."""

from __future__ import annotations

import itertools
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from harness.core.errors import EnvironmentFault
from harness.core.ids import new_run_id
from harness.engine.defects import server_mutant
from harness.engine.folder import RunFolder
from harness.engine.options import RunOptions
from harness.engine.session import check_choices
from harness.proxy.adapter import ToxiproxyServer, connect
from harness.pytest_plugin.live.edges import spare_people
from harness.scenario.stackfile import load_stack
from harness.stacks.api import Order, Stack
from harness.stacks.launchers import launcher
from harness.stacks.proxy_choice import AUTO, EMBEDDED
from harness.stacks.watcher_client import Watcher

DEFAULT_STACK = "reference"


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
    check_choices(options)
    spec = load_stack(options.stack or DEFAULT_STACK, parameters=options.parameters)
    run = new_run_id(f"stack-{spec.name}", options.worker)
    folder = RunFolder.create(options.out, run)
    key = secrets.token_hex(32)
    spare = spare_people(options.launcher)
    async with Watcher.start(folder.journal, run=run) as watcher:
        order = Order(
            spec=spec,
            processes=watcher,
            run=run,
            folder=folder.path,
            people=frozenset(spare),
            mutant=server_mutant(options.mutant),
            key=key,
            keep=options.keep,
            seed=options.seed,
            proxy=_proxy(options),
            about={"worker": options.worker},
        )
        async with launcher(options.launcher).launch(order) as stack, await connect(stack.proxy.url) as server:
            yield Host(stack, server, watcher, folder, options, key, spare=spare)


def _proxy(options: RunOptions) -> str | None:
    """What a test in Python will do is not known when its stack starts: unasked, it gets the server that can most."""
    return EMBEDDED if options.proxy in {None, AUTO} else options.proxy


def refuse_spoiled(host: Host) -> None:
    """Raise ``EnvironmentFault`` when an earlier test left the stack disturbed."""
    if host.spoiled:
        raise EnvironmentFault(
            f"the stack is not as it was: {host.spoiled}", hint="start with the first test that failed"
        )
