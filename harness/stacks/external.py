"""The external launcher: a system that runs already, met through a Toxiproxy server (docs/existing-systems.md)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing

from harness.core.errors import EnvironmentFault, UsageError
from harness.proxy.adapter import ToxiproxyServer, connect
from harness.proxy.api import ProxyUnavailable
from harness.stacks import journal
from harness.stacks.api import Order, Stack
from harness.stacks.external_plan import plan_of
from harness.stacks.external_stack import ExternalStack
from harness.stacks.external_ways import opened
from harness.stacks.guard import guarded
from harness.stacks.inherited import inherited
from harness.stacks.journal import Journal
from harness.stacks.proxy_choice import EMBEDDED
from harness.stacks.proxy_server import running_proxy_server


class ExternalLauncher:
    """Starts nothing but proxies; at the end the system is as it was found, but for the people's accounts."""

    def __init__(self, *, name: str = "external", environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._environment = os.environ if environment is None else environment

    @asynccontextmanager
    async def launch(self, order: Order) -> AsyncIterator[Stack]:
        """Put proxies in front of the services, wait until they are healthy, and watch the abort conditions.

        ``order.proxy`` counts only where the stack file names no server: then one is started.
        Raises ``UsageError`` for a stack file that cannot be played so or leads to a host that it does not allow,
        ``EnvironmentFault`` when a proxy or a service is not as needed, ``Aborted`` when a condition is met.
        """
        if order.mutant is not None:
            raise UsageError("a system that runs already has no mutants", hint="leave --mutant out")
        plan = plan_of(
            order.spec, launcher=self.name, run=order.run, people=order.people, environment=self._environment
        )
        # Its owner file names the journal, so that a later start undoes what this run's watcher could not.
        await order.processes.temporary_folder(self.name)
        logs = order.folder / "logs"
        own = running_proxy_server(
            order.processes,
            env=inherited(self._environment),
            log=logs / "proxy.log",
            seed=order.seed,
            proxy=order.proxy or EMBEDDED,
        )
        with closing(Journal(order.folder / journal.NAME)) as commands:
            async with (
                own if plan.toxiproxy is None else _reached(plan.toxiproxy) as (server, pid),
                opened(server, plan, commands) as ways,
            ):
                stack = ExternalStack(
                    order.spec, server, plan.services, ways, launcher=self.name, logs=logs, proxy_pid=pid
                )
                await stack.come_up()
                async with guarded(order.spec.abort, proxies=stack.proxies_there, health=stack.all_healthy):
                    yield stack


@asynccontextmanager
async def _reached(url: str) -> AsyncIterator[tuple[ToxiproxyServer, None]]:
    try:
        server = await connect(url)
    except ProxyUnavailable as problem:
        raise EnvironmentFault(
            str(problem), hint="start it, or correct `external: {toxiproxy: ...}` of the stack file"
        ) from None
    async with server:
        yield server, None
