"""A stack that ran before the harness came and runs on when it has gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.core.errors import EnvironmentFault
from harness.core.stack import StackSpec
from harness.proxy.adapter import LinkProxyHandle, ToxiproxyServer
from harness.proxy.addresses import Address
from harness.proxy.api import ProxyInfo, ProxyUnavailable
from harness.stacks.api import PROXY, ProviderControl, ServiceControl, ServiceState
from harness.stacks.external_ways import OpenWay
from harness.stacks.guard import Aborted
from harness.stacks.health import wait_until_ok

NOT_OURS = "it runs by itself: faults act on the links to it only"
_ASK_WITHIN_S = 1.0


class ExternalStack:
    """Addresses and proxies (``harness.stacks.api.Stack``); nothing can be done to the services themselves."""

    def __init__(
        self,
        spec: StackSpec,
        server: ToxiproxyServer,
        services: Mapping[str, Address],
        ways: Mapping[str, OpenWay],
        *,
        launcher: str,
        logs: Path,
        proxy_pid: int | None = None,
    ) -> None:
        self.spec = spec
        self.launcher = launcher
        self.proxy: ProxyInfo = server.info
        self.logs = logs
        self._server = server
        self._services = services
        self._ways = ways
        self._proxy_pid = proxy_pid

    def link(self, name: str) -> LinkProxyHandle:
        """Return the proxy of a link (``client->chat``, ``client:alice->chat``); KeyError when there is none."""
        return self._ways[name].proxy

    def links(self) -> Sequence[str]:
        """Names of all links that have a proxy."""
        return list(self._ways)

    def url(self, link: str) -> str:
        """Base address of a link's service through its proxy: ``http://HOST:PORT``."""
        return f"http://{self._ways[link].reached}"

    def direct_url(self, service: str) -> str:
        """Base address of a service past every proxy, for accounts, health and the oracle only."""
        return f"http://{self._services[service]}"

    async def state(self, service: str) -> ServiceState:
        """Running, as far as anybody can tell from outside; KeyError for a service that does not exist."""
        self.spec.services[service]
        return ServiceState(running=True, pid=None, started_ns=None)

    async def roots(self) -> dict[int, str]:
        """Return the pid of the proxy server if it is this run's own; the services are nobody's to look at."""
        return {} if self._proxy_pid is None else {self._proxy_pid: PROXY}

    async def signal(self, service: str, signal: int) -> None:
        """Raise ``EnvironmentFault``: no process is ours."""
        raise EnvironmentFault(f"service {service} cannot be sent signal {signal}", hint=NOT_OURS)

    async def wait_exit(self, service: str, within_s: float) -> bool:  # noqa: ARG002 - the Protocol's
        """Return False: it goes on."""
        return False

    async def start(self, service: str) -> None:
        """Raise ``EnvironmentFault``: it is not ours to start."""
        raise EnvironmentFault(f"service {service} cannot be started", hint=NOT_OURS)

    @property
    def control(self) -> ServiceControl | None:
        """None: commands to a system that outlives the run could not be taken back after a crash."""
        return None

    def provider(self, name: str) -> ProviderControl:
        """Raise KeyError: nothing is simulated for a system that runs by itself."""
        raise KeyError(name)

    async def set_clock(self, service: str, offset_s: float) -> None:
        """Raise ``EnvironmentFault``: its clock is not ours."""
        raise EnvironmentFault(f"the clock of service {service} cannot be moved by {offset_s:g} s", hint=NOT_OURS)

    def clock_reason(self, service: str) -> str:
        """Why a service's clock cannot be moved."""
        return f"the clock of service {service} cannot be moved: {NOT_OURS}"

    async def healthy(self, service: str, within_s: float) -> bool:
        """Wait until the service answers its health request directly; without one it counts as healthy."""
        health, address = self.spec.services[service].health, self._services.get(service)
        if health is None or address is None:
            return True
        return await wait_until_ok(address.host, address.port, health.path, within_s) is None

    def unproxied(self, service: str) -> int | None:  # noqa: ARG002 - the Protocol's
        """None: other hosts' connections cannot be seen from here."""
        return None

    async def come_up(self) -> None:
        """Wait until each service with a health request answers it through its link; raises ``EnvironmentFault``."""
        for name, service in self.spec.services.items():
            health = service.health
            if health is None or health.through not in self._ways:
                continue
            through = self._ways[health.through].reached
            seen = await wait_until_ok(through.host, through.port, health.path, health.within_s)
            if seen is not None:
                raise EnvironmentFault(
                    f"service {name} of stack {self.spec.name} was not healthy within {health.within_s:g} s: "
                    f"GET {health.path} through {health.through} at {through} met {seen}",
                    hint=f"see that it runs at {self._services.get(name)} and that the proxy server reaches it: "
                    "`upstream` is its address as the proxy server sees it",
                )

    async def proxies_there(self) -> str:
        """Tell whether the proxy server does not answer; raises ``Aborted`` when it lost proxies of the run."""
        try:
            there = await self._server.proxies()
        except ProxyUnavailable as problem:
            return f"the proxy server is silent: {problem}"
        if lost := sorted({way.proxy.name for way in self._ways.values()} - there.keys()):
            raise Aborted(
                f"the proxy server at {self.proxy.url} has no proxy {lost[0]} any more: restarted, or cleared"
            )
        return ""

    async def all_healthy(self) -> str:
        """Tell which service does not answer its health request, asked past every proxy."""
        sick = [name for name in self._services if not await self.healthy(name, _ASK_WITHIN_S)]
        return f"service {sick[0]} does not answer its health request, asked directly" if sick else ""
