"""A stack that runs as processes of this host."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from harness.core.clock import Clock
from harness.core.errors import EnvironmentFault
from harness.core.stack import Health, StackSpec
from harness.providers.api import ProviderKind
from harness.providers.control import HttpProviderControl
from harness.providers.control_client import ControlClient
from harness.proxy.adapter import LinkProxyHandle
from harness.proxy.api import ProxyInfo
from harness.stacks.api import PROXY, Processes, ProviderControl, ServiceControl, ServiceState
from harness.stacks.control import ReferenceControl
from harness.stacks.faketime import MovableClock, reason
from harness.stacks.forms import waves
from harness.stacks.health import wait_until_ok
from harness.stacks.logs import last_lines
from harness.stacks.ports import LOOPBACK
from harness.stacks.preparing import Preparation, prepare
from harness.stacks.sockets import strangers
from harness.stacks.synapse_control import CHAT, control_of

_STOP_WITHIN_S = 3.0
_KILLED_WITHIN_S = 2.0


@dataclass(slots=True)
class Service:
    """A service with everything that its next start needs, and its process now."""

    name: str
    argv: list[str]
    env: dict[str, str]
    port: int
    health: Health | None
    control: ControlClient | None = None
    clock: MovableClock | None = None
    preparation: Preparation = field(default_factory=Preparation)
    pid: int | None = None
    started_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of a stack by link, and the server that runs them."""

    info: ProxyInfo
    pid: int
    links: Mapping[str, LinkProxyHandle]


class EmbeddedStack:
    """Services and proxies of one run (``harness.stacks.api.Stack``)."""

    launcher = "embedded"

    def __init__(
        self,
        spec: StackSpec,
        services: Sequence[Service],
        proxies: Proxies,
        *,
        providers: Mapping[str, ProviderKind],
        processes: Processes,
        logs: Path,
        clock: Clock,
    ) -> None:
        self.spec = spec
        self.proxy = proxies.info
        self.logs = logs
        self._services = {service.name: service for service in services}
        self._providers = providers
        self._proxies = proxies
        self._processes = processes
        self._clock = clock
        source = Path(spec.source)
        self._cwd = source.parent if source.is_file() else None
        self._synapse = control_of(spec, self.direct_url)

    def link(self, name: str) -> LinkProxyHandle:
        """Return the proxy of a link (``client->chat``, ``client:alice->chat``); KeyError when there is none."""
        return self._proxies.links[name]

    def links(self) -> Sequence[str]:
        """Names of all links that have a proxy."""
        return list(self._proxies.links)

    def url(self, link: str) -> str:
        """Base address of a link's service through its proxy: ``http://127.0.0.1:PORT``."""
        return f"http://{self.link(link).listen}"

    def direct_url(self, service: str) -> str:
        """Base address of a service past every proxy, for control and the oracle only."""
        return f"http://{LOOPBACK}:{self._services[service].port}"

    async def state(self, service: str) -> ServiceState:
        """The service's process now."""
        return self._state(service)

    async def roots(self) -> dict[int, str]:
        """Return the pids of the services, simulators and the proxy server that run, with their names."""
        running = {service.pid: name for name, service in self._services.items() if self._state(name).running}
        return {self._proxies.pid: PROXY, **{pid: name for pid, name in running.items() if pid is not None}}

    def _state(self, service: str) -> ServiceState:
        found = self._services[service]
        if found.pid is None:
            return ServiceState(running=False, pid=None, started_ns=None)
        status = self._processes.exit_status(found.pid)
        return ServiceState(running=status is None, pid=found.pid, started_ns=found.started_ns, exit_status=status)

    async def signal(self, service: str, signal: int) -> None:
        """Send a signal to the service's process and its children; one that is down is no error."""
        pid = self._services[service].pid
        if pid is not None:
            await self._processes.signal(pid, signal)

    async def wait_exit(self, service: str, within_s: float) -> bool:
        """Wait for the service's process to end; False when it has not in time."""
        pid = self._services[service].pid
        return pid is None or await self._processes.wait_exit(pid, within_s) is not None

    async def start(self, service: str) -> None:
        """Start a service that is down, on the same data and port; returns once the process runs.

        A service that runs is left alone. Raises ``EnvironmentFault`` when the program cannot be started.
        """
        if self._state(service).running:
            return
        found = self._services[service]
        found.pid = await self._processes.spawn(
            f"service {service} of stack {self.spec.name}",
            found.argv,
            env=found.env,
            log=self._log(service),
            cwd=self._cwd,
        )
        found.started_ns = self._clock.mono_ns()

    @property
    def control(self) -> ServiceControl | None:
        """The control port as the reference backend has it, Synapse's admin API, or None for a stack without either."""
        if self._synapse is not None:
            return self._synapse
        chat = self._services[self.spec.links[CHAT].service] if CHAT in self.spec.links else None
        if self.spec.control != "direct" or chat is None or chat.control is None:
            return None
        return ReferenceControl(chat.control)

    def provider(self, name: str) -> ProviderControl:
        """Return the control of a provider simulator; KeyError when the stack has none of that name."""
        found = self._services[name].control
        if found is None:
            raise KeyError(name)
        return HttpProviderControl(self._providers[name], found)

    async def set_clock(self, service: str, offset_s: float) -> None:
        """Move a service's wall clock (monotonic untouched); raises ``EnvironmentFault`` when it cannot be moved."""
        clock = self._services[service].clock
        if clock is None:
            raise EnvironmentFault(f"the clock of service {service} cannot be moved", hint=self.clock_reason(service))
        await asyncio.to_thread(clock.move, offset_s)

    def clock_reason(self, service: str) -> str:
        """Why a service's clock cannot be moved, as a sentence with the way out; empty when it can."""
        if self._services[service].clock is not None:
            return ""
        return reason(os.environ) or (
            f"service {service} was started with the host's clock: no fault of the scenario was going to move it, "
            "or the stack file lacks `clock: faketime`"
        )

    async def healthy(self, service: str, within_s: float) -> bool:
        """Wait until the service answers its health request directly (not through a proxy that a fault may hold).

        A service without a health request is healthy while it runs.
        """
        found = self._services[service]
        if found.health is None:
            return self._state(service).running
        return await wait_until_ok(LOOPBACK, found.port, found.health.path, within_s) is None

    def unproxied(self, service: str) -> int | None:
        """Connections to the service now that came neither from its proxies nor from the harness.

        None where the platform cannot tell.
        """
        return strangers(self._services[service].port, (self._proxies.pid, os.getpid()))

    async def come_up(self) -> None:
        """Prepare and start every service, after those that it calls, and wait until each answers through its link.

        Nobody waits for a simulator. Raises ``EnvironmentFault`` as soon as one has ended or its time is over.
        """
        for wave in self._waves():
            await self._come_up(wave)

    def _waves(self) -> list[list[str]]:
        own = [name for name in self._services if name not in self._providers]
        first, *others = waves(own, self.spec.links)
        return [[*self._providers, *first], *others]

    async def _come_up(self, names: Sequence[str]) -> None:
        for name in names:
            preparation, env = self._services[name].preparation, self._services[name].env
            who, log = f"service {name} of stack {self.spec.name}", self.logs / f"{name}-prepare.log"
            await prepare(who, preparation, self._processes, env=env, log=log)
            await self.start(name)
        try:
            async with asyncio.TaskGroup() as group:
                for name in names:
                    group.create_task(self._first_health(self._services[name]))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def stop(self) -> None:
        """Ask the services to stop, last started first; those that do not in time are killed."""
        started = chain.from_iterable(self._waves())
        running = [name for name in reversed(list(started)) if self._state(name).running]
        for name in running:
            await self.signal(name, signal.SIGTERM)
            await self.signal(name, signal.SIGCONT)  # a stopped process would not hear of it
        ended = await asyncio.gather(*(self.wait_exit(name, _STOP_WITHIN_S) for name in running))
        for name, has_ended in zip(running, ended, strict=True):
            if not has_ended:
                await self.signal(name, signal.SIGKILL)
                await self.wait_exit(name, _KILLED_WITHIN_S)

    def _log(self, service: str) -> Path:
        return self.logs / f"{service}.log"

    async def _first_health(self, service: Service) -> None:
        health = service.health
        if health is None:
            return
        # A provider's health is asked directly: its link is the service's way to it, not ours.
        through = self.link(health.through).listen if health.through else f"{LOOPBACK}:{service.port}"
        host, _, port = through.rpartition(":")
        asking = asyncio.create_task(wait_until_ok(host, int(port), health.path, health.within_s))
        ending = asyncio.create_task(self.wait_exit(service.name, health.within_s + 1))
        try:
            await asyncio.wait((asking, ending), return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise self._died(service.name)
            if (seen := asking.result()) is not None:
                raise self._mute(service.name, health, seen)
        finally:
            asking.cancel()
            ending.cancel()
            await asyncio.gather(asking, ending, return_exceptions=True)

    def _died(self, service: str) -> EnvironmentFault:
        status = self._state(service).exit_status
        return EnvironmentFault(
            f"service {service} of stack {self.spec.name} ended with status {status} before it was healthy; "
            f"{last_lines(self._log(service))}",
            hint="mend what its log names, or correct the program and the env that the stack file gives it",
        )

    def _mute(self, service: str, health: Health, seen: str) -> EnvironmentFault:
        return EnvironmentFault(
            f"service {service} of stack {self.spec.name} was not healthy within {health.within_s:g} s: "
            f"GET {health.path} through {health.through or 'its own port'} met {seen}; "
            f"{last_lines(self._log(service))}",
            hint="if it is merely slow to start, raise `within` of its health in the stack file",
        )
