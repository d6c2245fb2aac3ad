"""The embedded launcher: services as local processes on loopback ports, behind the embedded proxy server."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from harness.core.clock import Clock, SystemClock
from harness.core.errors import EnvironmentFault, UsageError
from harness.core.stack import EmbeddedService, StackSpec, port_name
from harness.providers.registry import provider_kind
from harness.proxy.adapter import ToxiproxyServer
from harness.stacks.api import Order, Processes, Stack
from harness.stacks.embedded_stack import EmbeddedStack, Proxies
from harness.stacks.filling import placeholders
from harness.stacks.folders import OWNER_FILE
from harness.stacks.inherited import inherited
from harness.stacks.making import Maker
from harness.stacks.ports import LOOPBACK, Ports
from harness.stacks.presence import wanted_venv, without_program
from harness.stacks.proxy_choice import EMBEDDED, IMAGE
from harness.stacks.proxy_server import edges, make_proxies, running_proxy_server
from harness.stacks.venvs import ensure


class EmbeddedLauncher:
    """Runs a stack's services as processes of this host; no Docker and no Toxiproxy binary is needed."""

    name = "embedded"

    def __init__(self, *, clock: Clock | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._clock = clock or SystemClock()
        self._environment = os.environ if environment is None else environment

    @asynccontextmanager
    async def launch(self, order: Order) -> AsyncIterator[Stack]:
        """Start proxies and services and wait until they are healthy; at the end ask the services to stop.

        A service gets few variables of the harness's own environment and those of the stack file. Raises
        ``EnvironmentFault`` with the last log lines of whatever did not start, ``UsageError`` for a stack file that
        names what does not exist.
        """
        spec, processes = order.spec, order.processes
        programs = {name: service.embedded for name, service in spec.services.items() if service.embedded is not None}
        kinds = {name: provider_kind(kind) for name, kind in spec.providers.items()}
        reachable = {*programs, *kinds}
        links = {name: link for name, link in edges(spec, self.name, order.people).items() if link.service in reachable}
        _check(spec, programs, links, order.mutant)
        if lack := without_program(spec, self._environment):
            raise lack.fault()
        base = inherited(self._environment)
        logs = order.folder / "logs"
        venvs = await _venvs(spec, programs, processes, environ=self._environment, logs=logs)
        data = await processes.temporary_folder("data")
        with Ports() as reserved:
            ports = {name: reserved.reserve() for name in sorted(reachable)}
            further = {end: reserved.reserve() for name in programs for end in _further(spec, name)}
            async with _serving(order, env=base, log=logs / "proxy.log") as (server, pid):
                made = await make_proxies(server, links, ports | further, run=order.run, reserved=reserved)
                proxies = Proxies(server.info, pid, made)
                known = {
                    "data": str(data),
                    "mutant": order.mutant or "",
                    "seed": str(order.seed),
                    **_addresses(spec, proxies, ports),
                }
                maker = Maker(spec, reserved, base, known, self._environment, data, order.clocks, venvs, further)
                events = order.folder / "events"
                services = [
                    *(
                        maker.provider(name, kinds[name], ports[name], run=order.run, events=events, key=order.key)
                        for name in kinds
                    ),
                    *(maker.service(name, program, ports[name]) for name, program in programs.items()),
                ]
                stack = EmbeddedStack(
                    spec,
                    services,
                    proxies,
                    providers=kinds,
                    processes=processes,
                    logs=logs,
                    clock=self._clock,
                )
                try:
                    await stack.come_up()
                    yield stack
                finally:
                    await stack.stop()
                    if order.keep:
                        await asyncio.to_thread(_keep, data, order.folder / "data")


def _serving(
    order: Order, *, env: Mapping[str, str], log: Path
) -> AbstractAsyncContextManager[tuple[ToxiproxyServer, int]]:
    """Run the proxy server that was asked for."""
    proxy = order.proxy or EMBEDDED
    if proxy != IMAGE:
        return running_proxy_server(order.processes, env=env, log=log, seed=order.seed, proxy=proxy)
    from harness.stacks.proxy_image import running_proxy_image  # noqa: PLC0415 - the Docker SDK takes its time

    return running_proxy_image(order.processes, run=order.run, log=log)


async def _venvs(
    spec: StackSpec,
    programs: Mapping[str, EmbeddedService],
    processes: Processes,
    *,
    environ: Mapping[str, str],
    logs: Path,
) -> dict[str, Path]:
    """Virtual environments of the services that run from one, made where they are missing."""
    made = {}
    for name, program in programs.items():
        if program.venv is not None:
            wanted = wanted_venv(spec, name, program.venv, environ)
            made[name] = await ensure(wanted, processes, environ=environ, log=logs / f"{name}-install.log")
    return made


def _check(
    spec: StackSpec, programs: Mapping[str, EmbeddedService], links: Collection[str], mutant: str | None
) -> None:
    """Refuse a stack that cannot run here, and a mutant that would silently not be one."""
    if not programs:
        raise UsageError(
            f"stack {spec.name} has no service that the embedded launcher could run",
            hint="give its services an `embedded:` section",
        )
    for name in programs:
        health = spec.services[name].health
        if health is not None and health.through and health.through not in links:
            raise UsageError(
                f"stack {spec.name}: the health of service {name} goes through {health.through}, "
                "which has no proxy with the embedded launcher",
                hint=f"links with a proxy: {', '.join(links) or 'none'}",
            )
    texts = [text for program in programs.values() for text in (*program.run, *program.env.values())]
    if mutant is not None and not any("mutant" in placeholders(text) for text in texts):
        raise UsageError(
            f"stack {spec.name} has no mutants: none of its services is given ${{mutant}}",
            hint="leave --mutant out, or use the stack `reference`",
        )


def _addresses(spec: StackSpec, proxies: Proxies, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        "python": sys.executable,
        **{f"parameters.{name}": value for name, value in spec.parameters.items()},
        **{f"link.{name}": "" for name in spec.absent},
        **{f"link.{name}": proxy.listen for name, proxy in proxies.links.items()},
        **{f"service.{name}": f"http://{LOOPBACK}:{port}" for name, port in ports.items()},
    }


def _further(spec: StackSpec, service: str) -> list[str]:
    return [port_name(service, port) for port in spec.services[service].ports]


def _keep(data: Path, to: Path) -> None:
    try:
        shutil.copytree(data, to, ignore=shutil.ignore_patterns(OWNER_FILE), dirs_exist_ok=True)
    except OSError as problem:
        raise EnvironmentFault(
            f"the services' data could not be copied to {to}: {problem}",
            hint="make room there, or run without keeping the data",
        ) from None
