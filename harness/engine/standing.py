"""A stack that stands by itself: started without a scenario, for as long as somebody needs it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from harness.core.ids import new_run_id
from harness.engine.defects import server_mutant
from harness.engine.files import raise_file_limit
from harness.engine.folder import RunFolder
from harness.engine.options import RunOptions
from harness.engine.session import check_choices
from harness.scenario.stackfile import load_stack
from harness.stacks.api import Order, Stack
from harness.stacks.launchers import launcher
from harness.stacks.proxy_choice import AUTO, EMBEDDED
from harness.stacks.watcher_client import Watcher

DEFAULT_STACK = "reference"


@dataclass(frozen=True, slots=True)
class Standing:
    """The stack, the parent of its processes, its folder, and the key (hex) for references to secrets."""

    stack: Stack
    watcher: Watcher
    folder: RunFolder
    key: str


@asynccontextmanager
async def standing(options: RunOptions, *, people: Collection[str] = ()) -> AsyncIterator[Standing]:
    """Start the stack and take it down, with everything that belongs to it, at the end.

    ``people`` get links of their own. Raises ``UsageError`` for a choice that does not exist, ``EnvironmentFault`` for
    a stack that does not start.
    """
    check_choices(options)
    spec = load_stack(options.stack or DEFAULT_STACK, parameters=options.parameters)
    run = new_run_id(f"stack-{spec.name}", options.worker)
    folder = RunFolder.create(options.out, run)
    key = secrets.token_hex(32)
    raise_file_limit()
    async with Watcher.start(folder.journal, run=run) as watcher:
        order = Order(
            spec=spec,
            processes=watcher,
            run=run,
            folder=folder.path,
            people=frozenset(people),
            mutant=server_mutant(options.mutant),
            key=key,
            keep=options.keep,
            seed=options.seed,
            proxy=_proxy(options),
            about={"worker": options.worker},
        )
        async with launcher(options.launcher).launch(order) as stack:
            yield Standing(stack, watcher, folder, key)


def _proxy(options: RunOptions) -> str | None:
    """What will be done to it is not known when it starts: unasked, it gets the server that can most."""
    return EMBEDDED if options.proxy in {None, AUTO} else options.proxy
